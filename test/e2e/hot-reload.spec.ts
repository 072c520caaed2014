import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { post } from '../support/clients.js';
import { freePort } from '../support/free-port.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { serveDirectory, startApp, type RunningProcess } from '../support/running-process.js';
import {
  servableDirectory,
  writeModelServable,
  writeTurnsServable,
  writeTurnsVersion,
  type ServableDirectory,
} from '../support/servables.js';
import { residentMiB, SteadyLoad } from '../support/steady-load.js';

/**
 * Versions 1 and 2 take turns under load: no request fails, every answer is one version's, and memory comes back. A few switches here;
 * `npm run hot-reload` makes 100 at 64 clients, and prints its figures.
 */

const switches = Number(process.env['HOT_RELOAD_SWITCHES'] ?? 4);
const clients = Number(process.env['HOT_RELOAD_CLIENTS'] ?? 8);
const longestMs = 60_000 + switches * 6_000;
/** Answers of a version before the next switch. */
const answersEach = 2 * clients;
/** What memory may have grown by in the end. */
const mostGrowth = { share: 0.1, MiB: 50 };
/** How long it may take to come back: threads end, and the system takes its pages, when there is time for it. */
const longestReturnMs = 20_000;
/** Before the memory at the start is read, so that what grows with the first requests is there. */
const warmAnswers = 200 * clients;

const token = 'a-token-of-sixteen-letters';
let directory: ServableDirectory;
let processes: RunningProcess[];
let nats: NatsServer | undefined;
beforeEach(() => {
  directory = servableDirectory();
  processes = [];
});
afterEach(async () => {
  await Promise.all(processes.map((running) => running.stop()));
  await nats?.stop();
  nats = undefined;
  directory.remove();
}, 60_000);

/** Switches under load, and holds what came of it. `next` makes version n the only one; `served` are the processes whose memory is looked at. */
async function switchUnderLoad(
  what: string,
  rests: readonly string[],
  served: readonly number[],
  next: (version: number) => Promise<void>,
): Promise<void> {
  const load = new SteadyLoad(rests, clients);
  const memory = (): number => served.reduce((sum, pid) => sum + residentMiB(pid), 0);
  const startedAt = performance.now();
  let before = 0;
  let after = 0;
  const most = (): number => before * (1 + mostGrowth.share) + mostGrowth.MiB;
  try {
    await load.until(2, warmAnswers);
    before = memory();
    for (let n = 0; n < switches; n++) {
      const version = 1 + (n % 2);
      await next(version);
      await load.until(version, answersEach);
    }
    // What the last version had is given back a moment later
    const lookUntil = performance.now() + longestReturnMs;
    for (after = memory(); after > most() && performance.now() < lookUntil; after = memory())
      await load.until(1 + ((switches - 1) % 2), answersEach);
  } finally {
    await load.stop();
  }
  const { right, wrong } = load.figures;
  const seconds = (performance.now() - startedAt) / 1000;
  process.stdout.write(
    `${what}: ${switches} switches at ${clients} clients in ${seconds.toFixed(1)} s; answers ${JSON.stringify(right)}, failed ${wrong.length}; ` +
      `resident ${before.toFixed(0)} MiB before, ${after.toFixed(0)} MiB after\n`,
  );
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(Object.keys(right).sort()).toEqual(['1', '2']);
  expect(after).toBeLessThanOrEqual(most());
}

const pidOf = ({ child }: RunningProcess): number => child.pid as number;

describe('versions 1 and 2 take turns under load', () => {
  it(
    'by the admin API of one process',
    async () => {
      writeTurnsServable(directory.path, [1, 2]);
      // Version 2 has a config of its own, with a function and one method more
      const config = readFileSync(join(directory.path, 'turns/servable_config.ts'), 'utf8');
      const more = `registerMethod(['y'], function negated(x1, x2) {
  return addStage((y) => y.mul(-1), addStage(model, x1, x2, { outputsCount: 1 }), { outputsCount: 1 });
});
`;
      writeFileSync(join(directory.path, 'turns/2/servable_config.ts'), config + more);
      const admin = `127.0.0.1:${await freePort()}`;
      const server = await serveDirectory(directory.path, ['--admin', admin], { MSERVE_ADMIN_TOKEN: token });
      processes.push(server);
      await switchUnderLoad('admin API', [server.rest], [pidOf(server)], async (version) => {
        const { status, body } = await post(admin, '/admin/models/turns/switch', JSON.stringify({ version }), {
          authorization: `Bearer ${token}`,
        });
        expect([status, body]).toEqual([200, expect.objectContaining({ ok: true, versions: [version] })]);
      });
    },
    longestMs,
  );

  it(
    'by repository calls in a fleet of two workers',
    async () => {
      writeTurnsServable(directory.path, [1, 2]);
      nats = await startNatsServer();
      const { url } = nats;
      const start = (app: string, ...flags: readonly string[]): RunningProcess => {
        const running = startApp(app, ['--nats', url, ...flags]);
        processes.push(running);
        return running;
      };
      start('scheduler');
      const workers = [start('device-worker', '--directory', directory.path), start('device-worker', '--directory', directory.path)];
      const rests = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
      for (const rest of rests) start('gateway', '--rest', rest, '--grpc=', '--drain-delay-ms', '0', '--model-control-mode', 'explicit');
      await Promise.all(workers.map((worker) => worker.line((line) => line.includes('replica is ready'))));
      for (const rest of rests)
        while ((await fetch(`http://${rest}/v2/models/turns/ready`).catch(() => undefined))?.status !== 200)
          await new Promise((resolve) => setTimeout(resolve, 20));
      await switchUnderLoad('repository calls', rests, workers.map(pidOf), async (version) => {
        const config = JSON.stringify({ version_policy: { specific: { versions: [version] } } });
        const { status, body } = await post(
          rests[0] as string,
          '/v2/repository/models/turns/load',
          JSON.stringify({ parameters: { config } }),
        );
        expect([status, body]).toEqual([200, '']);
      });
      const { body } = await post(rests[1] as string, '/v2/repository/index', '{}');
      expect((body as { name: string; state: string }[]).map(({ name, state }) => `${name} ${state}`).sort()).toEqual([
        'turns UNAVAILABLE',
        'turns.predict READY',
      ]);
    },
    longestMs,
  );

  it(
    'by a `..data` link that is exchanged',
    async () => {
      const mount = join(directory.path, 'turns');
      for (const version of [1, 2]) {
        const made = servableDirectory();
        writeTurnsVersion(made.path, version);
        mkdirSync(mount, { recursive: true });
        renameSync(join(made.path, 'turns'), join(mount, `..revision${version}`));
        made.remove();
      }
      // As Kubernetes does it: entries lead to ..data, which is exchanged in one step
      const point = (version: number): void => {
        symlinkSync(`..revision${version}`, join(mount, '..next'));
        renameSync(join(mount, '..next'), join(mount, '..data'));
        if (version === 1) symlinkSync('..data/1', join(mount, '1'));
        else symlinkSync('..data/2', join(mount, '2'));
        rmSync(join(mount, String(3 - version)), { force: true });
      };
      writeFileSync(join(mount, 'README'), 'a file beside the config');
      symlinkSync('..data/servable_config.ts', join(mount, 'servable_config.ts'));
      point(2);
      const server = await serveDirectory(directory.path, ['--watch-models', '--watch-interval-ms', '50']);
      processes.push(server);
      await switchUnderLoad('..data', [server.rest], [pidOf(server)], async (version) => point(version));
    },
    longestMs,
  );
});

it('memory comes back when a version with large weights is unloaded', async () => {
  const weights = 128 * 1024 * 1024;
  for (const version of [1, 2]) {
    writeModelServable(
      directory.path,
      'large',
      {
        inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 1024] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: ['n', weights / 4 / 1024] }],
        initializers: [{ name: 'w', dtype: 'float32', shape: [1024, weights / 4 / 1024], bytes: new Uint8Array(weights) }],
        nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
      },
      { version },
    );
  }
  const admin = `127.0.0.1:${await freePort()}`;
  const server = await serveDirectory(directory.path, ['--version-policy', 'specific:1', '--admin', admin], { MSERVE_ADMIN_TOKEN: token });
  processes.push(server);
  const ask = async (action: string): Promise<void> => {
    const { status } = await post(admin, `/admin/models/large/${action}`, '{"version":2}', { authorization: `Bearer ${token}` });
    expect(status).toBe(200);
  };
  const before = residentMiB(pidOf(server));
  // Weights that stayed, once, would be more than this
  const limit = before + (0.75 * weights) / 1024 / 1024;
  const figures = [before];
  for (let n = 0; n < 3; n++) {
    await ask('load');
    figures.push(residentMiB(pidOf(server)));
    await ask('unload');
    // The system takes memory back a moment after it is given
    const giveUp = Date.now() + 10_000;
    while (residentMiB(pidOf(server)) > limit && Date.now() < giveUp) await new Promise((resolve) => setTimeout(resolve, 20));
    const after = residentMiB(pidOf(server));
    figures.push(after);
    expect(after).toBeLessThanOrEqual(limit);
  }
  process.stdout.write(`128 MiB of weights loaded and unloaded three times, resident MiB: ${figures.map(Math.round).join(', ')}\n`);
}, 60_000);
