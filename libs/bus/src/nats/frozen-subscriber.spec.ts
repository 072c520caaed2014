import { afterEach, expect, it } from '@jest/globals';
import { stringTensor } from '@mserve/wire';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import { startProcess, type RunningProcess } from '../../../../test/support/running-process.js';
import { answers } from '../channels.js';
import { NatsBus } from '../index.js';

/** A participant whose process is stopped while much is sent to it. */

const participant = `import { answers, NatsBus } from '@mserve/bus';
const bus = await NatsBus.connect({ servers: process.argv[1], role: 'gateway', report: () => undefined });
bus.receive(answers, (list) => list.forEach(({ id }) => console.log('got ' + id)));
bus.onState((state) => console.log('is ' + state));
bus.respond('known', async (body) => body);
await bus.request(bus.address, 'known', new Uint8Array(0));
console.log('at ' + bus.address);`;

const open: { close(): Promise<unknown> }[] = [];
let server: NatsServer | undefined;
let frozen: RunningProcess | undefined;
afterEach(async () => {
  frozen?.child.kill('SIGCONT');
  await frozen?.stop('SIGKILL');
  await Promise.all(open.splice(0).map((one) => one.close()));
  await server?.stop();
});

it('is cut off by the server, alone: others hear what is theirs meanwhile, and it comes back when it goes on', async () => {
  server = await startNatsServer({ config: 'max_pending: 2097152' });
  const { url } = server;
  frozen = startProcess(process.execPath, ['--input-type=module', '-e', participant, url]);
  const address = (await frozen.line((line) => line.startsWith('at '))).slice(3);
  const join = async (role: string): Promise<NatsBus> => {
    const bus = await NatsBus.connect({ servers: url, role, report: () => undefined });
    open.push(bus);
    return bus;
  };
  const [sender, other] = [await join('worker'), await join('gateway')];
  const states: string[] = [];
  for (const bus of [sender, other]) bus.onState((state) => states.push(state));
  const heard: number[] = [];
  let onHeard: () => void = () => undefined;
  other.receive(answers, (list) => {
    heard.push(...list.map(({ id }) => id));
    onHeard();
  });
  other.respond('known', (body) => Promise.resolve(body));
  // By its own connection: the server knows all that it subscribed to then
  await other.request(other.address, 'known', new Uint8Array(0));
  const large = [{ outputs: [stringTensor('x'.repeat(400_000))] }];
  const send = (to: string, id: number, onUndelivered?: () => void): void => {
    const answer = { id, attempt: 1, firstInstance: 0, grantedFirst: 0, grantedInstances: 0, grant: 0, results: large };
    sender.send(answers, to, answer, onUndelivered);
  };

  frozen.child.kill('SIGSTOP');
  let sent = 0;
  await new Promise<void>((resolve) => {
    let isCut = false;
    const cut = (): void => {
      isCut = true;
      resolve();
    };
    // As fast as the other one hears its own
    onHeard = () => {
      if (isCut) return;
      send(address, ++sent, cut);
      send(other.address, sent);
    };
    onHeard();
  });
  while (heard.length < sent) await new Promise<void>((resolve) => (onHeard = resolve));
  expect(heard).toEqual(Array.from({ length: sent }, (_, i) => i + 1));
  expect(states).toEqual([]);
  expect(server.log()).toContain('Slow Consumer');

  frozen.child.kill('SIGCONT');
  await frozen.line((line) => line === 'is down');
  await frozen.line((line) => line === 'is up');
  const again = sent + 1;
  send(address, again);
  await frozen.line((line) => line === `got ${again}`);
}, 120_000);
