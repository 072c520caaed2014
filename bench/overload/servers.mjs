import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createJiti } from 'jiti';
import { ensureNatsServer } from '../../scripts/nats-server.mjs';
import { pythonVenv } from '../python-venv.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const { freePort } = await createJiti(import.meta.url).import('../../test/support/free-port.ts');

/** The processes of a server, each in a group of its own, and a folder for their files. */
class Processes {
  children = [];

  constructor(name) {
    mkdirSync(join(root, 'tmp'), { recursive: true });
    this.folder = mkdtempSync(join(root, `tmp/overload-${name}-`));
    this.log = join(this.folder, 'log');
  }

  start(command, args, { env = {}, cwd = root } = {}) {
    const log = openSync(this.log, 'a');
    this.children.push(spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', log, log], detached: true }));
  }

  write(path, text) {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  /** Throws, with what it wrote, when one has ended. */
  check() {
    if (this.children.every(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) return;
    throw new Error(`a process ended:\n${readFileSync(this.log, 'utf8').slice(-20_000)}`);
  }

  /** Memory of all processes and their descendants, each page once (PSS). */
  memoryMiB() {
    const ids = this.children.map(({ pid }) => pid);
    for (const id of ids) ids.push(...readFileSync(`/proc/${id}/task/${id}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
    const kiB = ids.map((id) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8'))[1]));
    return Math.round(kiB.reduce((a, b) => a + b, 0) / 1024);
  }

  /** Asks them to end (a killed tritonserver leaves shared memory behind), and ends what is left after 10 s. */
  async stop() {
    const ended = Promise.all(
      this.children.map((child) =>
        child.exitCode !== null || child.signalCode !== null ? undefined : new Promise((done) => child.once('exit', done)),
      ),
    );
    for (const child of this.children) child.kill('SIGTERM');
    await Promise.race([ended, pause(10_000, undefined, { ref: false })]);
    for (const { pid } of this.children) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // Nobody of its group is left
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const config = `import { addStage, registerMethod } from '@mserve/register';
const nobody = new Int32Array(new SharedArrayBuffer(4));
function wait(x) { Atomics.wait(nobody, 0, 0, 10); return x; }
registerMethod(['y'], function predict(x) { return addStage(wait, x); });
`;

async function startMserve(processes, models) {
  for (const name of models) {
    processes.write(`servables/${name}/servable_config.ts`, config);
    mkdirSync(join(processes.folder, 'servables', name, '1'));
  }
  const [nats, rest] = [await freePort(), await freePort()];
  const app = (kind, ...args) =>
    processes.start(process.execPath, [
      'apps/server/dist/main.js',
      'app',
      kind,
      '--bus',
      `nats://127.0.0.1:${nats}`,
      '--log-level',
      'error',
      ...args,
    ]);
  processes.start(await ensureNatsServer(), ['-l', '/dev/null', '-a', '127.0.0.1', '-p', String(nats)]);
  app('gateway', '--rest', `127.0.0.1:${rest}`, '--grpc=', '--drain-delay-ms', '0');
  app('scheduler', '--grace-ms', '1000');
  for (const device of ['0', '1'])
    app('device-worker', '--directory', join(processes.folder, 'servables'), '--device-ids', device, '--grace-ms', '1000');
  return rest;
}

async function startMlserver(processes, models) {
  const venv = pythonVenv('peers/mlserver', ['mlserver==1.7.1', 'uvloop<0.22']);
  const [rest, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const settings = { host: '127.0.0.1', http_port: rest, grpc_port: grpc, metrics_port: metrics, parallel_workers: 2, debug: false };
  processes.write('settings.json', JSON.stringify(settings));
  for (const name of models)
    processes.write(`${name}/model-settings.json`, JSON.stringify({ name, implementation: 'mlserver_model.Sleeper' }));
  processes.start(join(venv, 'bin', 'mlserver'), ['start', '.'], { cwd: processes.folder, env: { PYTHONPATH: here } });
  return rest;
}

/** A queue of its own for each model, whose requests may say how long they wait at most; what has waited longer is refused. */
const tritonConfig = `backend: "python"
max_batch_size: 1
input [{ name: "x", data_type: TYPE_INT32, dims: [2] }]
output [{ name: "y", data_type: TYPE_INT32, dims: [2] }]
instance_group [{ kind: KIND_CPU, count: 2 }]
dynamic_batching { default_queue_policy { timeout_action: REJECT, default_timeout_microseconds: 100000000, allow_timeout_override: true } }
`;

/** The tritonserver of NVIDIA's pytriton, with its Python backend: the wheel brings the backend's process for each Python apart. */
async function startTriton(processes, models) {
  const venv = pythonVenv('peers/triton', ['nvidia-pytriton==0.7.0']);
  const [version] = readdirSync(join(venv, 'lib'));
  const packages = join(venv, 'lib', version, 'site-packages');
  const triton = join(packages, 'pytriton', 'tritonserver');
  const backends = join(processes.folder, 'backends');
  const stub = 'triton_python_backend_stub';
  cpSync(join(triton, 'backends'), backends, { recursive: true });
  cpSync(join(triton, 'python_backend_stubs', version.replace('python', ''), stub), join(backends, 'python', stub));
  for (const name of models) {
    processes.write(`models/${name}/config.pbtxt`, tritonConfig);
    cpSync(join(here, 'triton_model.py'), join(processes.folder, 'models', name, '1', 'model.py'));
  }
  const rest = await freePort();
  const address = ['--http-address', '127.0.0.1', '--http-port', String(rest), '--allow-grpc', 'false', '--allow-metrics', 'false'];
  const folders = ['--model-repository', join(processes.folder, 'models'), '--backend-directory', backends];
  // The backend's Python is isolated: it finds its packages by the python3 of the path alone
  const env = { LD_LIBRARY_PATH: join(packages, 'nvidia_pytriton.libs'), PATH: `${join(venv, 'bin')}:${process.env.PATH}` };
  processes.start(join(triton, 'bin', 'tritonserver'), [...address, ...folders, '--exit-timeout-secs', '1'], { env });
  return rest;
}

const starts = { mserve: startMserve, mlserver: startMlserver, triton: startTriton };

export const serverNames = Object.keys(starts);

/** Starts a server with `models`, functions of 10 ms in two workers. Resolves with its processes and its REST port, which may not be open yet. */
export async function startServer(name, models) {
  const processes = new Processes(name);
  try {
    return { processes, port: await starts[name](processes, models) };
  } catch (error) {
    await processes.stop();
    throw error;
  }
}
