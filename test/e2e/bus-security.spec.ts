import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { answers, NatsBus, receipts, refusals, tickets, type Bus } from '@mserve/bus';
import { decodeTickets, stringTensor } from '@mserve/wire';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { post } from '../support/clients.js';
import { mserve } from '../support/command.js';
import { startFleet, type Fleet } from '../support/fleet.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { servableDirectory } from '../support/servables.js';
import { startProcess } from '../support/running-process.js';
import { samplesOf } from '../support/scrape.js';
import { freePort } from '../support/free-port.js';

/** A fleet with the users of `mserve bus-credentials`, and strangers on its bus. A spy that may hear everything tells the strangers what they could not know. */

const slowEcho = `import { addStage, registerMethod, type InputValue } from '@mserve/register';
async function later(x: InputValue) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  return x;
}
registerMethod(['y'], function echo(x) {
  return addStage(later, x, { outputsCount: 1 });
});
`;

describe('a fleet with a user per process', () => {
  const directory = servableDirectory();
  const credentials = join(directory.path, '..', `credentials-${process.pid}-${Date.now()}`);
  const seed = (name: string): string => readFileSync(join(credentials, `${name}.nk`), 'utf8').trim();
  let nats: NatsServer;
  let fleet: Fleet;
  let spy: NatsConnection;
  let stolen: Bus;
  let ops: string;
  let schedulerOps: string;
  const members: Bus[] = [];

  const member = async (role: string, name: string): Promise<Bus> => {
    const bus = await NatsBus.connect({ servers: nats.url, role, name, nkeySeed: seed(name), report: () => undefined });
    members.push(bus);
    return bus;
  };

  beforeAll(async () => {
    mkdirSync(join(directory.path, 'slow', '1'), { recursive: true });
    writeFileSync(join(directory.path, 'slow', 'servable_config.ts'), slowEcho);
    const made = await mserve('bus-credentials', credentials, '--workers', '3', '--json');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const users = readFileSync(join(credentials, 'authorization.conf'), 'utf8');
    nats = await startNatsServer({ config: users.replace('users: [', 'users: [\n    { user: spy, password: spy }') });
    ops = `127.0.0.1:${await freePort()}`;
    schedulerOps = `127.0.0.1:${await freePort()}`;
    const nameOf = (name: string): string => (name === 'scheduler' ? 'scheduler-1' : name.replace(/\d+$/, (n) => String(Number(n) + 1)));
    fleet = await startFleet(nats.url, directory.path, ['slow.echo'], ['gateway-0', 'scheduler', 'worker-0', 'worker-1'], {
      // The spy sees what passes the server
      env: { MSERVE_SHARED_RINGS: 'false' },
      flagsOf: (name) => ['--config', join(credentials, `${nameOf(name)}.yaml`)],
      gateway: ['--ops', ops],
      scheduler: ['--ops', schedulerOps],
    });
    spy = await connect({ servers: nats.url, user: 'spy', pass: 'spy' });
    stolen = await member('worker', 'worker-3');
  }, 120_000);
  afterAll(async () => {
    await Promise.all([spy?.close(), ...members.map((bus) => bus.close())]);
    await fleet?.stop();
    await nats?.stop();
    directory.remove();
  }, 60_000);

  const echo = async (text: string): Promise<unknown> => {
    const inputs = [{ name: 'x', datatype: 'BYTES', shape: [1], data: [text] }];
    const rest = fleet.gateways[0]?.rest ?? '';
    const { body } = await post(rest, '/v2/models/slow/infer', JSON.stringify({ inputs }));
    return (body as { outputs?: { data: unknown[] }[] }).outputs?.[0]?.data[0];
  };
  /** Of the gateway, or of the process with another operations port. */
  const counted = async (metric: string, port = ops): Promise<number> =>
    samplesOf(await (await fetch(`http://${port}/metrics`)).text()).get(metric) ?? NaN;
  /** Calls `count` times, 16 at a time; resolves with the answers that were not their own. */
  const wrongOf = async (count: number): Promise<unknown[]> => {
    const wrong: unknown[] = [];
    let next = 0;
    const ask = async (): Promise<void> => {
      for (let n = next++; n < count; n = next++) {
        const answer = await echo(`mine-${n}`);
        if (answer !== `mine-${n}`) wrong.push(answer);
      }
    };
    await Promise.all(Array.from({ length: 16 }, ask));
    return wrong;
  };

  it('has files that nobody else can read, and that are never written over', async () => {
    for (const name of ['authorization.conf', 'worker-1.nk', 'worker-1.yaml'])
      expect(statSync(join(credentials, name)).mode & 0o777).toBe(0o600);
    const again = await mserve('bus-credentials', credentials);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('credentials are never written over');
  });

  it('takes none of 1 000 answers that a stolen worker forges for requests in hand, though it is told their ids', async () => {
    let forged = 0;
    const subscription = spy.subscribe('mserve.v1.to.*.*.tickets', {
      callback: (_error, message) => {
        for (const { gateway, id } of decodeTickets(message.data)) {
          const base = {
            id,
            attempt: 1,
            firstInstance: 0,
            grantedFirst: 0,
            grantedInstances: 0,
            results: [{ outputs: [stringTensor('forged')] }],
          };
          for (const grant of [0, id]) stolen.send(answers, gateway, { ...base, grant });
          stolen.send(refusals, gateway, { ...base, instances: 1, failure: { code: 'INTERNAL', message: 'forged' }, key: id });
          forged += 2;
        }
      },
    });
    await spy.flush();
    expect(await wrongOf(500)).toEqual([]);
    subscription.unsubscribe();
    expect(forged).toBeGreaterThanOrEqual(1_000);
    // The others came when their request had its own answer
    expect(await counted('mserve_gateway_forged_instances_total')).toBeGreaterThan(0);
  }, 60_000);

  it('goes on under garbage on every subject, replayed tickets and receipts of nothing', async () => {
    const seen: { subject: string; data: Uint8Array }[] = [];
    const subscription = spy.subscribe('mserve.v1.>', {
      callback: (_error, { subject, data }) => void (seen.length < 2_000 && seen.push({ subject, data: data.slice() })),
    });
    await spy.flush();
    expect(await wrongOf(50)).toEqual([]);
    subscription.unsubscribe();
    const serving = wrongOf(200);
    const subjects = new Set(seen.map(({ subject }) => subject));
    expect([...subjects].some((subject) => subject.endsWith('.receipts'))).toBe(true);
    for (const subject of subjects) {
      for (let length = 0; length < 40; length += 3)
        spy.publish(
          subject,
          Uint8Array.from({ length }, (_, i) => (i * 151 + length * 7) & 255),
        );
    }
    for (const { subject, data } of seen) if (subject.endsWith('.tickets') || subject.endsWith('.answers')) spy.publish(subject, data);
    const scheduler =
      [...subjects]
        .find((subject) => subject.endsWith('.receipts'))
        ?.split('.')
        .slice(3, 5)
        .join('.') ?? '';
    const receipt = { replica: 'worker-1.x.0', gateway: 'gateway-1.x', id: 1, attempt: 1, firstInstance: 0, instances: 1, grant: 0 };
    for (let id = 0; id < 1_000; id++) stolen.send(receipts, scheduler, { ...receipt, id });
    expect(await serving).toEqual([]);
    expect(await wrongOf(50)).toEqual([]);
    // What could not be understood, or matched nothing, was counted
    for (const [role, port] of [
      ['gateway', ops],
      ['scheduler', schedulerOps],
    ] as const)
      expect(await counted(`mserve_bus_dropped_messages_total{role="${role}"}`, port)).toBeGreaterThan(0);
    expect(await counted('mserve_scheduler_late_receipts_total', schedulerOps)).toBeGreaterThanOrEqual(1_000);
    expect(await counted('mserve_gateway_late_instances_total')).toBeGreaterThan(0);
    expect([...fleet.processes.values()].map(({ child }) => child.exitCode)).toEqual([null, null, null, null]);
  }, 60_000);

  it('sets a worker aside, by name, that brings other bytes under the name and version of a servable, and takes none of its answers', async () => {
    const rogue = servableDirectory();
    mkdirSync(join(rogue.path, 'slow', '1'), { recursive: true });
    writeFileSync(join(rogue.path, 'slow', 'servable_config.ts'), slowEcho.replace('return x;', "return 'rogue ' + String(x);"));
    const flags = ['--nats', nats.url, '--config', join(credentials, 'worker-3.yaml'), '--directory', rogue.path, '--device-ids', '0'];
    const worker = startProcess(process.execPath, ['apps/device-worker/dist/main.js', ...flags]);
    try {
      const said = await fleet.processes.get('scheduler')?.line((line) => line.includes('it was loaded from other files'));
      expect(JSON.parse(said ?? '')).toMatchObject({ servable: 'slow', version: 1, replica: expect.stringMatching(/^worker-3\./) });
      expect(await wrongOf(300)).toEqual([]);
      const metrics = await (await fetch(`http://${schedulerOps}/metrics`)).text();
      expect(metrics).toContain('mserve_scheduler_replicas_set_aside{servable="slow",version="1",reason="content"} 1\n');
      interface State {
        readonly replicas: readonly { readonly worker: string; readonly state: string; readonly error?: string }[];
      }
      let seen: State['replicas'][number] | undefined;
      while (seen?.state !== 'set aside') {
        const { replicas } = (await (await fetch(`http://${ops}/state`)).json()) as State;
        seen = replicas.find((replica) => replica.worker.startsWith('worker-3.'));
      }
      expect(seen.error).toBe('a replica is not used: it was loaded from other files than the replicas in use');
    } finally {
      await worker.stop();
      rogue.remove();
    }
  }, 120_000);

  it('keeps out whoever has no login, and lets no role do the part of another', async () => {
    await expect(NatsBus.connect({ servers: nats.url, role: 'gateway' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const undelivered = new Promise<string>((resolve) =>
      stolen.send(tickets, 'scheduler-1.00000000', ticket, (error) => resolve(error.message)),
    );
    expect(await undelivered).not.toBe('');
    await expect(stolen.request(undefined, 'catalog.list', new Uint8Array(0), { timeoutMs: 500 })).rejects.toThrow();
    expect(await echo('still')).toBe('still');
  });
});

const ticket = {
  ...{ gateway: 'gateway-1.00000000', id: 1, key: 0, attempt: 1, servable: 'slow', version: 1, method: 'echo', firstInstance: 0 },
  ...{ deadlineAt: Infinity, priority: 0, watch: undefined, context: undefined },
  instances: { kind: 'inline' as const, sizes: [], bytes: new Uint8Array(0) },
};
