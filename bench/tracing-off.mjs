/**
 * What requests allocate for traces while traces are off: nothing. Bytes per request of tensor_add over REST at c = 16, by the function that allocated them, as V8's sampling
 * heap profiler sees them (what the garbage collector took meanwhile included).
 *
 *   node bench/tracing-off.mjs [--requests 40000] [--concurrency 16] [--top 15] [--json]
 *
 * - off: no tracer
 * - on: every request is traced, and its spans are thrown away: shows that the profiler sees what the same functions allocate
 *
 * One embedded server each, in this process; the load comes from wrk. Functions are not inlined here, so that each stands for itself. Ends with 1 when requests allocated
 * something for traces that were off.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags } = parseArgs({
  options: {
    requests: { type: 'string', default: '40000' },
    concurrency: { type: 'string', default: '16' },
    top: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
  },
});

const v8Flags = ['--no-turbo-inlining', '--no-maglev'];
if (!v8Flags.every((flag) => process.execArgv.includes(flag))) {
  const { status } = spawnSync(process.execPath, [...v8Flags, ...process.argv.slice(1)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}

const { startServer } = await import(`${root}/apps/server/dist/index.js`);

/** Files that do nothing but traces, and the functions of others that do. */
const tracingFiles = ['/libs/tracing/', '/infer/request-span.js', '/edge/trace-headers.js'];
const tracingFunctions = new Set(['withTrace', 'beginWait', 'beginStage', 'endStage', 'beginRun', 'factsOf', 'aboutTrace']);
/** Bytes per request: what functions allocate at their first call, divided by all requests, is less; the smallest object at one request of a hundred is more. */
const nothing = 0.5;

/** Every request is traced; nothing is kept. */
const wasteful = {
  begin: (_kind, { tracestate }) => ({
    traceparent: `00-${'0af7651916cd43dd8448eb211c80319c'}-${Math.random().toString(16).slice(2, 18).padEnd(16, '0')}-01`,
    tracestate,
    event: () => undefined,
    end: () => undefined,
  }),
};

const folder = mkdtempSync(join(tmpdir(), 'mserve-tracing-off-'));
const script = join(folder, 'post.lua');
writeFileSync(
  script,
  `wrk.method = 'POST'
wrk.headers['content-type'] = 'application/json'
wrk.body = '{"instances":[{"x1":[[1,2],[3,4]],"x2":[[1,2],[3,4]]}]}'
done = function(summary)
  local errors = summary.errors
  io.write(string.format('%d %d\\n', summary.requests, errors.status + errors.connect + errors.read + errors.timeout))
end
`,
);

async function load(rest, seconds) {
  const args = ['-t1', `-c${flags.concurrency}`, `-d${seconds}s`, '-s', script, `http://${rest}/model/add/version/1:add_common`];
  const { stdout } = await promisify(execFile)('wrk', args);
  const [requests, errors] = stdout.trim().split('\n').at(-1).split(' ').map(Number);
  if (errors > 0 || requests === 0) throw new Error(`${errors} of ${requests} requests failed:\n${stdout}`);
  return requests;
}

/** Bytes by function, `name (file)`. */
function allocated({ head }) {
  const bytes = new Map();
  const visit = ({ callFrame: { functionName, url }, selfSize, children }) => {
    const name = `${functionName || '(anonymous)'} (${url.replace(`file://${root}/`, '')})`;
    bytes.set(name, (bytes.get(name) ?? 0) + selfSize);
    for (const child of children) visit(child);
  };
  visit(head);
  return bytes;
}

const isOfTraces = (name) => {
  if (name === 'begin (bench/tracing-off.mjs)') return true;
  const [, functionName, file] = /^(.*) \((.*)\)$/.exec(name) ?? [];
  return (
    (tracingFunctions.has(functionName) && !file.includes('node_modules') && !file.startsWith('node:')) ||
    tracingFiles.some((part) => `/${file}`.includes(part))
  );
};

async function measure(tracer) {
  const server = await startServer({
    directory: join(root, 'examples'),
    servables: ['add'],
    rest: '127.0.0.1:0',
    grpc: '',
    logLevel: 'error',
    tracer,
  });
  const session = new Session();
  session.connect();
  try {
    await load(server.rest, 3); // warm-up
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 256,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    let requests = 0;
    while (requests < Number(flags.requests)) requests += await load(server.rest, 1);
    const { profile } = await session.post('HeapProfiler.stopSampling');
    const rows = [...allocated(profile)].map(([name, bytes]) => ({ name, bytes: bytes / requests })).sort((a, b) => b.bytes - a.bytes);
    const sum = (list) => Number(list.reduce((total, { bytes }) => total + bytes, 0).toFixed(2));
    const ofTraces = rows.filter(({ name }) => isOfTraces(name));
    return { requests, bytesPerRequest: sum(rows), forTraces: sum(ofTraces), ofTraces, rows };
  } finally {
    session.disconnect();
    await server.close();
  }
}

try {
  const [off, on] = [await measure(undefined), await measure(wasteful)];
  if (flags.json) console.log(JSON.stringify({ off, on }));
  else {
    for (const [kind, { requests, bytesPerRequest, forTraces, ofTraces, rows }] of Object.entries({ off, on })) {
      console.log(`${kind.padEnd(4)} ${bytesPerRequest} bytes per request, ${forTraces} of them for traces (${requests} requests)`);
      for (const { name, bytes } of kind === 'on' ? ofTraces : rows.slice(0, Number(flags.top)))
        console.log(`       ${bytes.toFixed(1).padStart(8)}  ${name}`);
    }
  }
  if (on.forTraces === 0) throw new Error('the profiler saw nothing of traces that were on: it proves nothing');
  if (off.forTraces > nothing) {
    console.error(`allocated for traces that were off: ${off.ofTraces.map(({ name }) => name).join(', ')}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
