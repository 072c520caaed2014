/**
 * What being seen costs: requests per second and CPU per request of tensor_add at c = 16 over REST, without an operations port and with everything on.
 *
 *   node bench/observability.mjs [--rounds 9] [--seconds 4] [--concurrency 16] [--kinds off,metrics,traces,log] [--json]
 *
 * - off: no operations port, as in an app that nobody scrapes
 * - counted: the operations port, which nobody scrapes
 * - metrics: the operations port, scraped every second, with Triton's names too
 * - traces: and 1 of 100 requests traced (needs the packages of OpenTelemetry, which the repository has)
 * - log: metrics, and a line of the access log for each request, to a pipe that is read
 *
 * One server each, started together; they are asked in turn, in an order that changes with each round, so that a slow machine slows all of them. Compared is round by round;
 * the median counts. CPU is of the server's process, all threads.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    seconds: { type: 'string', default: '4' },
    concurrency: { type: 'string', default: '16' },
    kinds: { type: 'string', default: 'off,metrics,traces,log' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
const run = promisify(execFile);

/** A collector that takes all and keeps nothing. */
const collector = createServer((request, response) => {
  request.resume();
  request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
});
await new Promise((resolve) => collector.listen(0, '127.0.0.1', resolve));

const ops = ['--ops', '127.0.0.1:0', '--metrics-compat', 'triton'];
const otel = {
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.address().port}`,
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: '0.01',
};
const kinds = {
  off: { args: ['--ops', ''], env: {} },
  counted: { args: ops, env: {}, isScraped: false },
  metrics: { args: ops, env: {} },
  traces: { args: ops, env: otel },
  log: { args: [...ops, '--access-log'], env: {} },
};

async function serve({ args, env, isScraped = true }) {
  const command = ['apps/server/dist/main.js', 'serve', 'examples', '--servable', 'add', '--rest', '127.0.0.1:0', '--grpc', ''];
  const child = spawn(process.execPath, [...command, '--json', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  child.stderr.resume();
  const ready = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with exit code ${code} before it was ready`)));
    createInterface({ input: child.stdout }).on('line', (line) => resolve(JSON.parse(line)));
  });
  const scraping = ready.ops === undefined || !isScraped ? undefined : setInterval(() => void scrape(ready.ops), 1000);
  return { child, rest: ready.rest, scraping };
}

async function scrape(address) {
  await (await fetch(`http://${address}/metrics`)).text();
}

/** User and system time of a process, in microseconds. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

const folder = mkdtempSync(join(tmpdir(), 'mserve-observability-'));
const script = join(folder, 'post.lua');
writeFileSync(
  script,
  `wrk.method = 'POST'
wrk.headers['content-type'] = 'application/json'
wrk.body = '{"instances":[{"x1":[[1,2],[3,4]],"x2":[[1,2],[3,4]]}]}'
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('%d %d\\n', summary.requests, errors.status + errors.connect + errors.read + errors.timeout))
end
`,
);

/** Requests per second, and CPU per request in microseconds. */
async function measure({ child, rest }) {
  const before = cpuOf(child.pid);
  const began = performance.now();
  const load = ['-t1', `-c${flags.concurrency}`, `-d${flags.seconds}s`, '-s', script, `http://${rest}/model/add/version/1:add_common`];
  const { stdout } = await run('wrk', load);
  const seconds = (performance.now() - began) / 1000;
  const [requests, errors] = stdout.trim().split('\n').at(-1).split(' ').map(Number);
  if (errors > 0 || requests === 0) throw new Error(`${errors} of ${requests} requests failed:\n${stdout}`);
  return { rps: requests / seconds, cpuUs: (cpuOf(child.pid) - before) / requests };
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const servers = {};
try {
  const names = flags.kinds.split(',');
  for (const kind of names) servers[kind] = await serve(kinds[kind]);
  for (const kind of names) await measure(servers[kind]); // warm-up
  const rows = [];
  for (let round = 0; round < rounds; round++) {
    const row = {};
    for (let i = 0; i < names.length; i++) {
      const kind = names[(round + i) % names.length];
      row[kind] = await measure(servers[kind]);
    }
    rows.push(row);
  }
  const summary = names.map((kind) => ({
    kind,
    rps: Math.round(median(rows.map((row) => row[kind].rps))),
    cpuUs: Number(median(rows.map((row) => row[kind].cpuUs)).toFixed(1)),
    rpsRatio: Number(median(rows.map((row) => row[kind].rps / row.off.rps)).toFixed(3)),
    cpuRatio: Number(median(rows.map((row) => row[kind].cpuUs / row.off.cpuUs)).toFixed(3)),
  }));
  if (flags.json) console.log(JSON.stringify({ cores: availableParallelism(), rounds, summary, rows }));
  else {
    for (const { kind, rps, cpuUs, rpsRatio, cpuRatio } of summary)
      console.log(
        `${kind.padEnd(8)} ${String(rps).padStart(6)} requests/s (x ${rpsRatio})  ${cpuUs} us of CPU per request (x ${cpuRatio})`,
      );
    console.log(`${availableParallelism()} cores, c = ${flags.concurrency}, median of ${rounds} rounds of ${flags.seconds} s`);
  }
} finally {
  for (const { child, scraping } of Object.values(servers)) {
    clearInterval(scraping);
    child.kill('SIGTERM');
  }
  collector.close();
  rmSync(folder, { recursive: true, force: true });
}
