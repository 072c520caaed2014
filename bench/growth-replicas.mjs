import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createJiti } from 'jiti';
import { ensureNatsServer } from '../scripts/nats-server.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const jiti = createJiti(import.meta.url);
const { onnxModel } = await jiti.import('../test/support/onnx-model.ts');
const { freePort } = await jiti.import('../test/support/free-port.ts');
const runMs = 20;
/** Enough that no replica ever waits for a client. */
const clientsPerReplica = 6;
const warmUpMs = 1_500;

/** An ONNX Runtime whose runs sleep (libs/native/test/held-onnxruntime). */
function buildSleepingRuntime(folder) {
  const library = join(folder, 'libonnxruntime.so.1');
  const source = join(root, 'libs/native/test/held-onnxruntime/held_onnxruntime.cc');
  const options = ['-std=c++20', '-O1', '-shared', '-fPIC', '-pthread', `-I${join(root, 'libs/native/src/native')}`];
  execFileSync(process.env['CXX'] ?? 'c++', [...options, source, '-o', library, '-ldl']);
  const addons = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')), 'bin');
  const real = readdirSync(addons)
    .map((version) => join(addons, version, process.platform, process.arch))
    .flatMap((one) => readdirSync(one).map((name) => join(one, name)))
    .find((path) => /libonnxruntime\.so\.1$/.test(path));
  return { library, env: { ...process.env, HELD_ONNXRUNTIME: real, HELD_ONNXRUNTIME_MS: String(runMs) } };
}

async function writeServable(folder) {
  const tensor = (name) => ({ name, dtype: 'float32', shape: [2] });
  mkdirSync(join(folder, 'sleeps', '1'), { recursive: true });
  const nodes = [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }];
  writeFileSync(join(folder, 'sleeps', '1', 'add.onnx'), onnxModel({ inputs: [tensor('x')], outputs: [tensor('y')], nodes }));
  writeFileSync(
    join(folder, 'sleeps', 'servable_config.ts'),
    `import { addStage, declareModel, registerMethod } from '@mserve/register';
const model = declareModel({ modelFile: 'add.onnx', modelFormat: 'ONNX', withBatchDim: false });
registerMethod(['y'], function predict(x) { return addStage(model, x, { outputsCount: 1 }); });
`,
  );
}

class Fleet {
  children = [];
  agent = new Agent({ keepAlive: true, maxSockets: Infinity });

  async start(replicas, folder, { library, env }) {
    const port = await freePort();
    this.rest = await freePort();
    const app = (kind, ...args) =>
      this.spawn(
        process.execPath,
        ['apps/server/dist/main.js', 'app', kind, '--bus', `nats://127.0.0.1:${port}`, '--log-level', 'error', ...args],
        env,
      );
    this.spawn(await ensureNatsServer(), ['-l', '/dev/null', '-a', '127.0.0.1', '-p', String(port)], env);
    app('gateway', '--rest', `127.0.0.1:${this.rest}`, '--grpc=', '--drain-delay-ms', '0');
    app('scheduler');
    const ofWorker = ['--directory', folder, '--onnxruntime-library', library, '--concurrent-runs', '1', '--intra-op-threads', '1'];
    for (let n = 0; n < replicas; n++) app('device-worker', ...ofWorker);
    // Every replica has answered once the fleet does as much as all of them, so the wait is for the first answer and a while more
    while ((await this.ask()) !== 200) await pause(100);
  }

  spawn(command, args, env) {
    this.children.push(spawn(command, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] }));
  }

  ask() {
    return new Promise((resolve) => {
      const options = { port: this.rest, method: 'POST', path: '/model/sleeps:predict', agent: this.agent };
      const sent = request(options, (answer) => answer.resume().on('end', () => resolve(answer.statusCode)));
      sent.on('error', () => resolve(0));
      sent.end('{"instances":[{"x":[1,2]}]}');
    });
  }

  /** Right answers in a second, from so many clients that ask one after the other. */
  async throughput(clients, seconds) {
    let answers = 0;
    const endsAt = performance.now() + seconds * 1_000;
    const client = async () => {
      while (performance.now() < endsAt) {
        const status = await this.ask();
        if (status !== 200) throw new Error(`status ${status}`);
        answers += 1;
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    return answers / seconds;
  }

  end() {
    this.agent.destroy();
    for (const child of this.children) child.kill('SIGKILL');
  }
}

/** Prints what fleets with so many replicas do, one in each worker, as a part of what one replica would do so many times. */
export async function measureReplicas({ counts, seconds }) {
  const folder = mkdtempSync(join(tmpdir(), 'mserve-growth-'));
  try {
    await writeServable(join(folder, 'servables'));
    const runtime = buildSleepingRuntime(folder);
    let one;
    for (const replicas of counts) {
      const fleet = new Fleet();
      try {
        await fleet.start(replicas, join(folder, 'servables'), runtime);
        const clients = clientsPerReplica * replicas;
        // Until all workers have come
        const wanted = (0.8 * replicas * 1_000) / runMs;
        for (let tries = 0; tries < 20 && (await fleet.throughput(clients, warmUpMs / 1_000)) < wanted; tries++);
        const perSecond = await fleet.throughput(clients, seconds);
        one ??= perSecond / replicas;
        const part = (100 * perSecond) / (replicas * one);
        console.log(`${replicas} replicas: ${perSecond.toFixed(1)} a second, ${part.toFixed(1)} % of linear`);
      } finally {
        fleet.end();
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
