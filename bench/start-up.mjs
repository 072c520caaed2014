/** How long `mserve serve` takes from its start to the line that says it is ready: wall time, and CPU time of its process. `--help` says more. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const help = `node bench/start-up.mjs SERVABLES [flags]

Starts \`mserve serve\` again and again and tells how long it takes to be ready: wall time from spawn to the ready line, and CPU time of the process (user
and system, all its threads) until then. Medians, with the lowest and the highest. SERVABLES is a directory that bench/make-servables.mjs wrote.
Linux only: it reads /proc.

  one   the servable tensor_add alone, one replica
  all   every servable of the directory, two replicas each (--device-ids 0,1 --intra-op-threads 1)
  many  copies of tensor_add, each a servable of its own

  --cases one,all,many  which of them                                 (default: all three)
  --reps N              starts of each; \`many\` takes a third of them   (default: 9)
  --copies N            servables of \`many\`                           (default: 150)
  --server FILE[,FILE]  main.js to start; several are started in turn  (default: apps/server/dist/main.js)
  --node FILE           Node to start it with                         (default: this one)
  --node-args "ARGS"    its flags                                     (default: none)
  --json                one line of JSON per case and server
`;
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cases: { type: 'string', default: 'one,all,many' },
    reps: { type: 'string', default: '9' },
    copies: { type: 'string', default: '150' },
    server: { type: 'string', default: `${root}/apps/server/dist/main.js` },
    node: { type: 'string', default: process.execPath },
    'node-args': { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help || positionals.length !== 1) {
  process.stdout.write(help);
  process.exit(flags.help ? 0 : 2);
}

/** `getconf CLK_TCK` of every Linux that Node runs on. */
const tickMs = 10;

/** Fields 14 and 15 of /proc/PID/stat, counted behind the name, which may hold spaces. */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

async function start(server, args) {
  const startedAt = performance.now();
  const nodeArgs = flags['node-args'].split(' ').filter((arg) => arg !== '');
  const child = spawn(flags.node, [...nodeArgs, server, 'serve', ...args, '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((done) => child.once('exit', done));
  const measured = await new Promise((done, fail) => {
    child.once('exit', (code) => fail(new Error(`the server ended with exit code ${code} before it was ready`)));
    createInterface({ input: child.stdout }).once('line', () => done({ wallMs: performance.now() - startedAt, cpuMs: cpuMs(child.pid) }));
  });
  child.kill('SIGTERM');
  await ended;
  return measured;
}

function figures(values) {
  const sorted = values.toSorted((a, b) => a - b).map(Math.round);
  return { median: sorted[Math.floor(sorted.length / 2)], lowest: sorted[0], highest: sorted.at(-1) };
}

const servables = resolve(positionals[0]);
const small = join(servables, 'tensor_add');
const folder = mkdtempSync(join(tmpdir(), 'mserve-start-up-'));
try {
  if (!existsSync(small)) throw new Error(`${servables} has no servable tensor_add: bench/make-servables.mjs writes it`);
  const wanted = new Set(flags.cases.split(','));
  if (wanted.has('many')) for (let i = 0; i < Number(flags.copies); i++) cpSync(small, join(folder, `small_${i}`), { recursive: true });
  const cases = {
    one: { args: [servables, '--servable', 'tensor_add'], reps: Number(flags.reps) },
    all: { args: [servables, '--device-ids', '0,1', '--intra-op-threads', '1'], reps: Number(flags.reps) },
    many: { args: [folder], reps: Math.ceil(Number(flags.reps) / 3) },
  };
  const servers = flags.server.split(',').map((file) => resolve(file));
  for (const [name, { args, reps }] of Object.entries(cases).filter(([key]) => wanted.has(key))) {
    const runs = new Map(servers.map((server) => [server, []]));
    for (let i = 0; i < reps; i++) for (const server of servers) runs.get(server).push(await start(server, args));
    for (const [server, measured] of runs) {
      const wall = figures(measured.map(({ wallMs }) => wallMs));
      const cpu = figures(measured.map((one) => one.cpuMs));
      const text = ({ median, lowest, highest }) => `${String(median).padStart(6)} ms (${lowest} to ${highest})`;
      if (flags.json) console.log(JSON.stringify({ case: name, server, starts: reps, wallMs: wall, cpuMs: cpu }));
      else
        console.log(`${name.padEnd(5)} wall ${text(wall)}   CPU ${text(cpu)}   ${reps} starts${servers.length > 1 ? `   ${server}` : ''}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
