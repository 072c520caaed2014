import {
  answers,
  BusTensorStore,
  cancellations,
  NatsBus,
  refusals,
  tickets,
  type Bus,
  type Catalog,
  type ServableStatus,
  type Subscription,
} from '@mserve/bus';
import {
  absent,
  grantOf,
  isFailure,
  refusal,
  SecretNumbers,
  ServingError,
  type Answer,
  type Failure,
  type InstanceResult,
  type Instances,
  type MethodSignature,
  type Refusal,
  type RequestWatch,
  type Tensor,
} from '@mserve/wire';
import { describedBySignature, type MethodDescription } from '../description.js';
import type { ConnectionOptions } from '../options.js';
import { abortedError } from '../status.js';
import { NotBegun, type InferCall, type InferResult, type ReadyModel, type Transport } from '../transport.js';
import { SchedulerFeed } from './scheduler-feed.js';

/** A ticket that waits for its answer. */
interface Waiting {
  readonly id: number;
  readonly key: number;
  readonly placed: Instances;
  readonly version: number;
  readonly description: MethodDescription;
  readonly deadlineAt: number;
  readonly watch: RequestWatch | undefined;
  readonly requestId: string;
  /** Whom it went to last; '' while nobody has it. */
  scheduler: string;
  /** Runs while nobody has it. */
  giveUp: NodeJS.Timeout | undefined;
  readonly readingSignal: AbortSignal;
  resolve(result: InstanceResult): void;
  reject(error: Error): void;
}

/** How long a call waits for a scheduler that lists its servable, as a gateway does by default (unavailableGraceMs). */
const graceMs = 5_000;

/** What a call needs of a method. */
interface Found {
  readonly version: number;
  readonly signature: MethodSignature;
}

/**
 * Takes part in the bus as a gateway does: sends tickets to the scheduler in charge and takes the workers' answers (docs/bus.md). A ticket whose scheduler
 * goes away is sent to the next one; the first answer counts.
 */
export class NatsTransport implements Transport {
  private readonly waiting = new Map<number, Waiting>();
  private readonly secrets = new SecretNumbers();
  /** Servables that were called. */
  private readonly seen = new Set<string>();
  private readonly store: BusTensorStore;
  private readonly subscriptions: Subscription[];

  private constructor(
    private readonly bus: Bus,
    private readonly feed: SchedulerFeed,
  ) {
    this.store = new BusTensorStore(bus);
    this.subscriptions = [
      bus.receive(answers, (list) => list.forEach((answer) => this.take(answer))),
      bus.receive(refusals, (list) => list.forEach((refused) => this.refused(refused))),
      feed.onCatalog(() => this.resend()),
    ];
  }

  /** Connects; rejects with UNAVAILABLE when no nats-server answers in time, INVALID_ARGUMENT when it refuses the login. */
  static async connect(
    servers: string,
    isTls: boolean,
    { tls, bus: login }: ConnectionOptions,
    connectTimeoutMs: number,
  ): Promise<NatsTransport> {
    const { ca, certificate: cert, privateKey: key } = tls ?? {};
    const bus = await NatsBus.connect({
      ...login,
      servers,
      role: 'gateway',
      connectTimeoutMs,
      ...(isTls && { tls: { ca: ca?.toString(), cert: cert?.toString(), key: key?.toString() } }),
    });
    return new NatsTransport(bus, new SchedulerFeed(bus));
  }

  async describe(servable: string, method: string, version: number | undefined, signal: AbortSignal): Promise<MethodDescription> {
    const { version: latest, signature } = await this.find(servable, method, version, signal);
    return describedBySignature(servable, latest, signature);
  }

  async list(signal: AbortSignal): Promise<readonly ReadyModel[]> {
    const { servables } = await this.feed.catalog(signal);
    return servables
      .filter(isReady)
      .flatMap(({ signature: { servable, version, methods } }) => methods.map(({ name: method }) => ({ servable, method, version })));
  }

  async infer({ description, version, inputs, requestId, traceparent, tracestate, timeoutMs, signal }: InferCall): Promise<InferResult> {
    const { servable, method } = description;
    const { version: ran, signature } = await this.find(servable, method, version, signal);
    const instance = signature.inputs.map(({ name }): Tensor => inputs.get(name) ?? absent);
    const placed = this.store.place([instance]);
    const id = this.secrets.next();
    try {
      const result = await new Promise<InstanceResult>((resolve, reject) => {
        const waiting: Waiting = {
          id,
          key: this.secrets.next(),
          placed,
          version: ran,
          description,
          deadlineAt: performance.now() + timeoutMs,
          watch: traceparent === undefined ? undefined : { traceparent, tracestate: tracestate ?? '', isTimed: false },
          requestId: requestId ?? '',
          scheduler: '',
          giveUp: undefined,
          readingSignal: signal,
          resolve,
          reject,
        };
        this.waiting.set(id, waiting);
        signal.addEventListener('abort', () => this.leave(waiting, signal), { once: true });
        if (signal.aborted) return this.leave(waiting, signal);
        this.send(waiting);
      });
      if (isFailure(result)) throw errorOf(result.failure);
      const outputs = new Map(signature.outputs.map(({ name }, i): [string, Tensor] => [name, result.outputs[i] as Tensor]));
      return { version: ran, outputs };
    } finally {
      this.forget(id);
      this.store.release(placed);
    }
  }

  async close(): Promise<void> {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    for (const waiting of [...this.waiting.values()]) waiting.reject(new ServingError('CANCELLED', 'the client was closed'));
    this.feed.close();
    await this.bus.close();
  }

  /** The method, of the version that is asked for or of the latest. One that was there before is waited for: its scheduler may be another one just now. */
  private async find(servable: string, method: string, version: number | undefined, signal: AbortSignal): Promise<Found> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(graceMs)]);
    for (;;) {
      const catalog = await this.feed.catalog(signal);
      const ready = readyOf(catalog, servable, version);
      if (ready !== undefined) {
        this.seen.add(servable);
        const signature = ready.signature.methods.find(({ name }) => name === method);
        if (signature === undefined) throw refusal('method-not-found', { servable, method });
        return { version: ready.signature.version, signature };
      }
      const facts = { servable, method, ...(version !== undefined && { version: String(version) }) };
      const mayCome = this.seen.has(servable) || catalog.servables.some(({ signature: listed }) => listed.servable === servable);
      if (!mayCome) throw refusal('servable-not-found', facts);
      await this.feed.nextCatalog(until).catch(() => {
        throw signal.aborted ? abortedError(signal) : refusal('servable-unavailable', facts);
      });
    }
  }

  /** To the scheduler in charge, once it lists the servable version; a catalog that comes later sends it. */
  private send(waiting: Waiting): void {
    const { id, key, placed, deadlineAt, watch, requestId, version } = waiting;
    const { servable, method } = waiting.description;
    const scheduler = this.feed.current;
    if (scheduler === undefined || readyOf(this.feed.known, servable, version) === undefined) {
      waiting.scheduler = '';
      waiting.giveUp ??= setTimeout(() => waiting.reject(refusal('servable-unavailable', { servable, method })), graceMs);
      return;
    }
    clearTimeout(waiting.giveUp);
    waiting.giveUp = undefined;
    waiting.scheduler = scheduler;
    const ticket = {
      gateway: this.bus.address,
      id,
      key,
      attempt: 1,
      servable,
      version,
      method,
      firstInstance: 0,
      instances: placed,
      deadlineAt,
      priority: 0,
      watch,
      context: { id: requestId, headers: '{}', parameters: '{}' },
    };
    this.bus.send(tickets, scheduler, ticket, (error) => {
      if (this.waiting.get(id) !== waiting || waiting.scheduler !== scheduler) return;
      const known = ServingError.from(error);
      if (known.code !== 'UNAVAILABLE') return waiting.reject(known);
      this.feed.suspect(scheduler);
      this.send(waiting);
    });
  }

  /** Another scheduler may be in charge now: it gets what is not answered. */
  private resend(): void {
    for (const waiting of this.waiting.values()) if (waiting.scheduler !== this.feed.current) this.send(waiting);
  }

  private leave(waiting: Waiting, signal: AbortSignal): void {
    if (!this.forget(waiting.id)) return;
    if (waiting.scheduler !== '') this.bus.send(cancellations, waiting.scheduler, { gateway: this.bus.address, id: waiting.id });
    waiting.reject(abortedError(signal));
  }

  /** Whether it was still waited for. */
  private forget(id: number): boolean {
    clearTimeout(this.waiting.get(id)?.giveUp);
    return this.waiting.delete(id);
  }

  private take({ id, attempt, results, grant, firstInstance, grantedFirst, grantedInstances }: Answer): void {
    const waiting = this.waiting.get(id);
    const [result] = results;
    if (waiting === undefined || result === undefined || firstInstance !== 0) return this.store.releaseResults(results);
    const isOwn = grantedInstances === 0;
    // Not from a worker that was given it
    if (grant !== grantOf(waiting.key, attempt, isOwn ? firstInstance : grantedFirst, isOwn ? results.length : grantedInstances)) return;
    void (async () => {
      const [read] = await this.store.readResults([result], waiting);
      waiting.resolve(read as InstanceResult);
    })().catch((thrown: unknown) => waiting.reject(ServingError.from(thrown)));
  }

  private refused({ id, key, failure }: Refusal): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined || waiting.key !== key) return;
    if (failure.reason !== 'shutting-down') return waiting.reject(errorOf(failure));
    this.feed.suspect(waiting.scheduler);
    this.send(waiting);
  }
}

/** What was refused because nobody can take it now may be tried again. */
function errorOf(failure: Failure): Error {
  const error = ServingError.of(failure);
  return failure.reason === 'servable-unavailable' || failure.reason === 'too-many-instances' ? new NotBegun(error, undefined) : error;
}

function isReady({ readyReplicas }: ServableStatus): boolean {
  return readyReplicas > 0;
}

/** The version of a servable, or the latest one, if it is ready. */
function readyOf(catalog: Catalog | undefined, servable: string, version: number | undefined): ServableStatus | undefined {
  const ready = (catalog?.servables ?? []).filter((status) => {
    const { signature } = status;
    return isReady(status) && signature.servable === servable && (version === undefined || signature.version === version);
  });
  return ready.sort((a, b) => b.signature.version - a.signature.version)[0];
}
