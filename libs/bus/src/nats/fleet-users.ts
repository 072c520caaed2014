import { nkeys } from '@nats-io/transport-node';
import { checkToken } from '../names.js';

/** What a process of a fleet may be on the bus. admin: a gateway that changes versions. */
export const fleetRoles = ['gateway', 'admin', 'scheduler', 'worker', 'operator'] as const;
/** One of {@link fleetRoles}. */
export type FleetRole = (typeof fleetRoles)[number];

/** One process of a fleet: `name` is the first token of its addresses (NatsBus' option `name`, the setting `busName`). */
export interface FleetUser {
  readonly role: FleetRole;
  readonly name: string;
  /** Its nkey (U...). */
  readonly publicKey: string;
}

/** Subjects, after the prefix and the version. */
interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const everybody = '*.*';
const heldByAll = ['held.*.*', 'release.*.*'];

/** Asked of one participant, or of any. */
const ask = (address: string, ...subjects: readonly string[]): string[] =>
  subjects.flatMap((subject) => [`ask.${address}.${subject}`, `ask.any.${subject}`]);

/** What each role may do, by the name of the process. */
const rightsOf: { readonly [Role in FleetRole]: (own: string) => Rights } = {
  gateway: (own) => ({
    publish: [
      ...['to.*.*.tickets', 'to.*.*.cancellations', 'topic.gateways.hello'],
      ...ask(everybody, 'catalog.list', 'scheduler.stats', 'worker.stats'),
      ...heldByAll,
    ],
    subscribe: [
      ...[`to.${own}.answers`, `to.${own}.refusals`, 'topic.schedulers.hello', 'topic.gateways.hello'],
      ...[`held.${own}`, `release.${own}`],
    ],
  }),
  admin: (own) => ({
    publish: [...rightsOf.gateway(own).publish, ...ask(everybody, 'replicas.list', 'servables.*')],
    subscribe: [...rightsOf.gateway(own).subscribe, 'topic.workers.hello'],
  }),
  scheduler: (own) => ({
    publish: [
      ...['to.*.*.assignments', 'to.*.*.cancellations', 'to.*.*.refusals', 'topic.schedulers.hello'],
      ...ask(everybody, 'replicas.list'),
      ...heldByAll,
    ],
    subscribe: [
      ...[`to.${own}.tickets`, `to.${own}.cancellations`, `to.${own}.receipts`, 'topic.schedulers.hello', 'topic.workers.hello'],
      ...ask(own, 'catalog.list', 'scheduler.stats'),
      ...[`held.${own}`, `release.${own}`],
    ],
  }),
  worker: (own) => ({
    publish: ['to.*.*.answers', 'to.*.*.receipts', 'topic.workers.hello', ...heldByAll],
    subscribe: [
      ...[`to.${own}.assignments`, `to.${own}.cancellations`, 'topic.schedulers.hello'],
      ...ask(own, 'replicas.list', 'worker.stats', 'servables.*', 'distributed.acquire'),
      ...[`held.${own}`, `release.${own}`],
    ],
  }),
  operator: (own) => ({
    publish: [...ask(everybody, 'scheduler.stats', 'worker.stats', 'catalog.list', 'replicas.list', 'servables.*'), ...heldByAll],
    subscribe: ['topic.>', `held.${own}`, `release.${own}`],
  }),
};

/**
 * The authorization block of a nats-server's configuration: one user per process, who may subscribe to what is sent to that process and to nothing else. The time for a login is
 * long: a login that comes late looks like one that is refused, and on a busy machine some do when all processes start.
 */
export function authorizationOf(users: readonly FleetUser[], prefix = 'mserve'): string {
  const quoted = (subjects: readonly string[]): string => `[${subjects.map((subject) => JSON.stringify(subject)).join(', ')}]`;
  const blocks = users.map(({ role, name, publicKey }) => {
    const own = `${checkToken('name', name)}.*`;
    const { publish, subscribe } = rightsOf[role](own);
    // NATS' own service discovery: every process answers, an operator asks
    const discovery = role === 'operator' ? { publish: ['$SRV.>'], subscribe: [] } : { publish: [], subscribe: ['$SRV.>'] };
    const under = (subjects: readonly string[]): string[] => subjects.map((subject) => `${prefix}.v1.${subject}`);
    const inbox = role === 'operator' ? `${prefix}.inbox.operator.>` : `${prefix}.inbox.${role === 'admin' ? 'gateway' : role}.${own}.>`;
    return `    # ${name}: ${role}
    { nkey: ${publicKey}, permissions: {
      publish: ${quoted([...discovery.publish, ...under(publish)])}
      subscribe: ${quoted([inbox, ...discovery.subscribe, ...under(subscribe)])}
      allow_responses: { max: 1, expires: "10s" } } }`;
  });
  return `authorization {\n  timeout: 10\n  users: [\n${blocks.join('\n')}\n  ]\n}\n`;
}

/** A new nkey of a user: the seed (SU...) is its secret. */
export function newNkey(): { readonly seed: string; readonly publicKey: string } {
  const user = nkeys.createUser();
  return { seed: new TextDecoder().decode(user.getSeed()), publicKey: user.getPublicKey() };
}
