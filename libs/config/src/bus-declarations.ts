import { optional, setting } from './setting.js';
import { busAddress, path, text, yesNo } from './shape.js';

const fleet = ['gateway', 'scheduler', 'device-worker', 'agent'] as const;

/** The settings of the bus, and of the login there. */
export const busSettings = {
  bus: setting(busAddress(), {
    doc: 'where the fleet meets: NATS servers; memory = all in this process (mserve serve only)',
    apps: fleet,
    notInFleet: true,
    default: 'nats://127.0.0.1:4222',
    serverDefault: 'memory',
    aliases: ['nats'],
  }),
  natsUser: optional(text(), { doc: 'user name at NATS', apps: fleet, notInFleet: true }),
  natsPassword: optional(text(), { doc: 'password at NATS', apps: fleet, notInFleet: true, secret: true }),
  natsToken: optional(text(), { doc: 'token at NATS', apps: fleet, notInFleet: true, secret: true }),
  natsCreds: optional(path(), { doc: 'NATS credentials file (.creds)', apps: fleet, notInFleet: true }),
  natsPasswordFile: optional(path(), {
    doc: 'file of the password at NATS, read again at every connection',
    apps: fleet,
    notInFleet: true,
  }),
  natsTokenFile: optional(path(), { doc: 'file of the token at NATS, read again at every connection', apps: fleet, notInFleet: true }),
  natsNkey: optional(path(), {
    doc: "file of this process' nkey seed (SU...) at NATS, read again at every connection",
    apps: fleet,
    notInFleet: true,
  }),
  natsTlsCa: optional(path(), {
    doc: 'PEM file of the authority of the NATS server; no connection without TLS',
    apps: fleet,
    notInFleet: true,
    otherwise: 'the authorities that Node knows',
  }),
  natsTlsCertificate: optional(path(), {
    doc: 'PEM file of the client certificate at NATS, read again at every connection',
    apps: fleet,
    notInFleet: true,
  }),
  natsTlsPrivateKey: optional(path(), { doc: 'PEM file of the key of the client certificate at NATS', apps: fleet, notInFleet: true }),
  busName: optional(text('^[A-Za-z0-9_-]{1,64}$', "1 to 64 letters, digits, '_' and '-'"), {
    doc: 'name of this process on the bus, which its permissions at NATS are for (mserve bus-credentials)',
    apps: fleet,
    notInFleet: true,
    otherwise: 'the role',
  }),
  insecureBus: setting(yesNo(), {
    doc: 'join a bus without a login that other machines can reach: whoever reaches it reads tensors and answers requests',
    apps: fleet,
    notInFleet: true,
    default: false,
  }),
  subjectPrefix: setting(
    text('^(?=.{1,200}$)[A-Za-z0-9_\\-]+(?:\\.[A-Za-z0-9_\\-]+)*$', "at most 200 letters, digits, '_', '-', and single dots between them"),
    { doc: 'first part of every NATS subject; fleets with different prefixes do not see each other', apps: fleet, default: 'mserve' },
  ),
};
