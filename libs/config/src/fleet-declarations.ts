import { optional, setting } from './setting.js';
import { address, path, whole } from './shape.js';

const fleet = ['fleet'] as const;

/** The settings of `mserve fleet` itself. The others that it has are those of the apps that it starts. */
export const fleetCommandSettings = {
  gateways: setting(whole(1, 64), { doc: 'gateways, which share the public ports', apps: fleet, default: 2, alone: true }),
  schedulers: setting(whole(1, 16), { doc: 'schedulers: one schedules, the others stand by', apps: fleet, default: 2, alone: true }),
  workers: setting(whole(1, 256), {
    doc: 'device-workers; the devices (deviceIds) are dealt out to them in turn',
    apps: fleet,
    default: 2,
    alone: true,
  }),
  natsServer: optional(path(), {
    doc: 'nats-server to start, 2.14 or newer',
    apps: fleet,
    otherwise: 'that of NATS_SERVER, PATH or ~/.cache/mserve/bin',
    alone: true,
  }),
  natsListen: setting(address({ unix: false }), {
    doc: 'address of the nats-server that is started; port 0 = any free one',
    apps: fleet,
    default: '127.0.0.1:0',
    alone: true,
  }),
  unresponsiveMs: setting(whole(0, 3_600_000), {
    doc: 'a process that neither answers nor works for so long is killed and started again (docs/fleet.md); 0 = never',
    apps: fleet,
    default: 15_000,
    alone: true,
  }),
  stateDirectory: optional(path(), {
    doc: 'folder, for this user alone, of the logins, settings and socket of a fleet that runs',
    apps: fleet,
    otherwise: '~/.local/state/mserve/fleet',
    alone: true,
  }),
};
