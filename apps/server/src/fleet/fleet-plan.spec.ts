import { describe, expect, it } from '@jest/globals';
import { loadSettings } from '@mserve/config';
import { freePort } from '../../../../test/support/free-port.js';
import { choosePorts, devicesOf, planFleet, settingsOfApp, type FleetCommandSettings, type FleetPorts } from './fleet-plan.js';

async function settingsWith(...argv: string[]): Promise<FleetCommandSettings> {
  return (await loadSettings({ program: 'fleet', usage: '', argv, env: {} })).settings;
}

const ports: FleetPorts = {
  ...{ rest: 'h:1', grpc: 'h:2', admin: undefined, nats: '0.0.0.0:3' },
  ops: ['127.0.0.1:1600', '127.0.0.1:1601', '127.0.0.1:1602'],
};
/** The operations ports that are chosen. */
async function opsWith(...argv: string[]): Promise<readonly string[]> {
  const free = ['--rest', '--grpc', '--nats-listen'].flatMap((flag) => [flag, '127.0.0.1:0']);
  return (await choosePorts(await settingsWith('--gateways', '2', '--schedulers', '2', '--workers', '3', ...free, ...argv))).ops;
}

describe('the plan of a fleet', () => {
  it.each([
    [[0], 2, [[0], [0]]],
    [
      [0, 1, 2, 3],
      2,
      [
        [0, 2],
        [1, 3],
      ],
    ],
    [[4, 5, 6], 2, [[4, 6], [5]]],
    [[0, 1], 3, [[0], [1], [0]]],
  ])('deals devices %j out to %d workers', (deviceIds, workers, dealt) => {
    expect(Array.from({ length: workers }, (_, index) => devicesOf(index, { deviceIds, workers }))).toEqual(dealt);
  });

  it('gives each app the settings that it has, and no other', async () => {
    const settings = await settingsWith(
      '--gateways',
      '1',
      '--schedulers',
      '1',
      '--workers',
      '1',
      '--max-in-flight',
      '7',
      '--devices',
      '1,2',
    );
    const apps = planFleet(settings);
    expect(apps.map(({ name, role }) => [name, role])).toEqual([
      ['gateway-1', 'gateway'],
      ['scheduler-1', 'scheduler'],
      ['worker-1', 'worker'],
    ]);
    const [gateway, scheduler, worker] = apps.map((app) => settingsOfApp(app, apps, settings, ports, '/nk'));
    const shared = { bus: 'nats://127.0.0.1:3', natsNkey: '/nk' };
    expect(gateway).toMatchObject({ ...shared, busName: 'gateway-1', rest: 'h:1', grpc: 'h:2', maxInFlight: 7, ops: '127.0.0.1:1600' });
    expect(scheduler).toMatchObject({ ...shared, busName: 'scheduler-1', maxAttempts: 2, ops: '127.0.0.1:1601' });
    expect(worker).toMatchObject({ ...shared, busName: 'worker-1', deviceIds: [1, 2], ops: '127.0.0.1:1602' });
    for (const key of ['gateways', 'natsListen', 'stateDirectory'])
      for (const one of [gateway, scheduler, worker]) expect(one).not.toHaveProperty(key);
    expect(scheduler).not.toHaveProperty('rest');
    expect(worker).not.toHaveProperty('maxInFlight');
  });

  it('lets gateways that change versions do so', async () => {
    expect(planFleet(await settingsWith('--gateways', '1', '--model-control-mode', 'explicit'))[0]).toMatchObject({
      role: 'admin',
      name: 'gateway-1',
    });
  });

  it('finds a free operations port for each process, or takes those after the first', async () => {
    const any = await opsWith('--ops', '127.0.0.1:0');
    expect(new Set(any).size).toBe(7);
    const first = await freePort();
    expect(await opsWith('--ops', `127.0.0.1:${first}`)).toEqual(Array.from({ length: 7 }, (_, index) => `127.0.0.1:${first + index}`));
    expect(await opsWith('--ops', '')).toEqual([]);
  });
});
