import { setFlagsFromString } from 'node:v8';
import { Dispatcher } from '../apps/scheduler/dist/dispatch/dispatcher.js';

/** Tickets that one turn of the event loop brings, and receipts. */
const perTurn = 8;
const credits = 16;
/**
 * Instances in hand: the same few or many however many replicas there are, so that what differs is the replicas; a half of the credits of each; all, while more waits.
 * What is in hand fills the caches and is moved by the garbage collector, whoever has it: the first two tell the one from the other.
 */
const loads = {
  '64 in hand': { inHand: () => 64 },
  '8 000 in hand': { inHand: () => 8_000, creditsOf: (replicas) => 16_000 / replicas },
  'half of the credits in hand': { inHand: (replicas) => (replicas * credits) / 2 },
  'others waiting': {},
};
const waitingTickets = 400;

function signatureOf(servable) {
  return {
    servable,
    version: 1,
    methods: [{ name: 'predict', inputs: [{ name: 'x' }], outputs: [{ name: 'y' }], batched: true, batchSize: 4 }],
  };
}

/** A dispatcher whose workers answer what they have in any order, as many as come. */
class Rig {
  constructor({ replicas, servables, load }) {
    const { inHand, creditsOf = () => credits } = load;
    this.turnMs = (perTurn * 4) / replicas;
    this.seed = 1;
    this.now = 0;
    this.id = 0;
    this.servables = servables;
    this.inHand = [];
    this.dispatcher = new Dispatcher('scheduler', {
      assign: (_worker, assignment) => this.inHand.push(assignment),
      cancel: () => undefined,
      refuse: (_gateway, { failure }) => {
        throw new Error(`refused: ${failure.reason}`);
      },
    });
    for (let n = 0; n < Math.max(replicas, servables); n++) {
      const signature = signatureOf(`servable-${n % servables}`);
      this.dispatcher.putReplica(
        { replica: `w${n}.0`, worker: `w${n}`, credits: creditsOf(replicas), leastCredits: creditsOf(replicas) / 2, signature },
        0,
      );
    }
    // Replicas know what an instance takes once others have waited for them
    const most = Math.max(replicas, servables) * creditsOf(replicas);
    this.submit(most + waitingTickets);
    for (let rest = 2 * most; rest > 0; rest -= perTurn) this.turn();
    if (inHand === undefined) return;
    for (;;) {
      const { running, queued } = this.dispatcher.stats();
      if (queued === 0 && running <= inHand(replicas)) return;
      this.settle(Math.max(1, Math.min(perTurn, queued + running - inHand(replicas))));
    }
  }

  submit(count) {
    const list = [];
    for (let n = 0; n < count; n++) {
      const id = this.id++;
      list.push({
        gateway: `gateway-${id % 4}`,
        id,
        key: 7,
        attempt: 1,
        servable: `servable-${id % this.servables}`,
        version: 1,
        method: 'predict',
        firstInstance: 0,
        instances: { kind: 'inline', sizes: [0], bytes: new Uint8Array(0) },
        deadlineAt: this.now + 100_000,
        priority: 0,
        watch: undefined,
        context: undefined,
      });
    }
    this.dispatcher.submit(list, this.now);
  }

  settle(count) {
    const receipts = [];
    for (let n = 0; n < count && this.inHand.length > 0; n++) {
      const { replica, ticket, grant } = this.takeAny();
      const { gateway, id, attempt, firstInstance, instances } = ticket;
      receipts.push({ replica, gateway, id, attempt, firstInstance, instances: instances.sizes.length, grant });
    }
    this.dispatcher.settle(receipts, this.now);
  }

  takeAny() {
    this.seed = (Math.imul(this.seed, 1_664_525) + 1_013_904_223) >>> 0;
    const at = Math.floor((this.seed / 2 ** 32) * this.inHand.length);
    const taken = this.inHand[at];
    const last = this.inHand.pop();
    if (at < this.inHand.length) this.inHand[at] = last;
    return taken;
  }

  /** The clock goes on as if a replica took 4 ms for an instance. */
  turn() {
    this.now += this.turnMs;
    this.submit(perTurn);
    this.settle(perTurn);
    this.dispatcher.nextWakeAt();
  }
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** Microseconds of CPU of this process for each ticket. */
function cpuPerTicket(rig, tickets) {
  const before = process.cpuUsage();
  for (let n = 0; n < tickets; n += perTurn) rig.turn();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / tickets;
}

/** Prints CPU per ticket, and the same over that of the first, by numbers of replicas and of servables. */
export function measureScheduler({ rounds, tickets }) {
  // On a busy machine the threads that compile would be late by more than all rounds
  setFlagsFromString('--no-concurrent-recompilation');
  const rows = [10, 100, 1_000].map((replicas) => ({ replicas, servables: 1 }));
  for (const servables of [1, 20, 200]) rows.push({ replicas: 1_000, servables });
  for (const [name, load] of Object.entries(loads)) {
    const rigs = rows.map((row) => new Rig({ ...row, load }));
    const times = rows.map(() => []);
    for (let warm = 0; warm < 3; warm++) rigs.forEach((rig) => cpuPerTicket(rig, tickets));
    for (let round = 0; round < rounds; round++)
      for (let i = 0; i < rigs.length; i++) {
        const at = (round + i) % rigs.length;
        times[at].push(cpuPerTicket(rigs[at], tickets));
      }
    rows.forEach(({ replicas, servables }, at) => {
      const first = at < 3 ? 0 : 3;
      const ratio = median(times[at].map((us, round) => us / times[first][round]));
      const { queued, running } = rigs[at].dispatcher.stats();
      console.log(
        `${name}: ${replicas} replicas, ${servables} servables: ${median(times[at]).toFixed(2)} us a ticket (${ratio.toFixed(2)} x); ` +
          `${running} in hand, ${queued} waiting`,
      );
    });
  }
}
