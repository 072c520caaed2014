import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { AppLog } from '@mserve/app';
import { agentSubjects, type AgentReport, type AgentStatus, type Bus, type FormAgent, type WorkerClaim } from '@mserve/bus';
import { AgentStatusDto, encodeJson, parseControl } from '@mserve/bus/nest';
import { disprove, type RankSubgraph } from '@mserve/mindir';
import type { NativeTensor } from '@mserve/native';
import { ServingError } from '@mserve/wire';
import { AgentRoster, type Member } from './agent-roster.js';
import { Mesh } from './mesh.js';

/** A distributed model, and how patient its worker is. */
export interface CoordinatorOptions {
  readonly servable: string;
  readonly version: number;
  readonly rankSize: number;
  readonly stageSize: number;
  /** How long to wait for the agents of all ranks; 0 = without end. */
  readonly waitMs: number;
  /** An agent that is silent for longer is lost; one that does not hear of its worker for so long is free. Default 3000. */
  readonly lostMs?: number;
  /** How long a rank may take for a batch. Default 10 000. */
  readonly predictMs?: number;
  /** How long a batch may wait for lost ranks to come back. Default 30 000. */
  readonly recoverMs?: number;
  readonly log: AppLog;
}

const defaultLostMs = 3_000;
const defaultPredictMs = 10_000;
const defaultRecoverMs = 30_000;
const formMs = 10_000;
const pollMs = 50;
const againMs = 200;
const attempts = 2;

/**
 * The distributed worker's side of a distributed model: waits for the agent of every rank, proves that their files make one model, has them
 * load it and form a mesh, and gives batches to it. A mesh that breaks is never repaired: a new one is formed, under the next epoch, as soon as every rank has an
 * agent with the same files again. No other rank loads anew.
 */
export class Coordinator {
  /** Agents that went while it is not closed. */
  lostAgents = 0;
  private readonly roster: AgentRoster;
  private readonly lostMs: number;
  private mesh: Mesh | undefined;
  /** Agents whose leases are kept while there is no mesh. */
  private claimed: readonly Member[] = [];
  /** Why the ranks could not be formed the last time. */
  private lastProblem = '';
  private epoch = 0;
  /** By rank, of the files that were proven. */
  private hashes: readonly string[] = [];
  private proven: readonly (readonly RankSubgraph[])[] = [];
  private readonly ending = new AbortController();
  /** Agents with other files, which were told of. */
  private readonly strangers = new Set<string>();
  private readonly waiters = new Set<() => void>();
  private renewal: NodeJS.Timeout | undefined;
  private serving: Promise<void> = Promise.resolve();

  constructor(
    private readonly bus: Bus,
    private readonly options: CoordinatorOptions,
  ) {
    const { servable, version, rankSize, log } = options;
    this.lostMs = options.lostMs ?? defaultLostMs;
    this.roster = new AgentRoster(bus, {
      servable,
      version,
      rankSize,
      lostMs: this.lostMs,
      log,
      onChange: () => this.changed(),
      onLost: (member) => this.onLost(member),
    });
  }

  /**
   * Resolves when the ranks stand ready for the first time. Rejects with ServingError: INVALID_ARGUMENT with rank, position and reason when their files do not make
   * one model or cannot be used, DEADLINE_EXCEEDED when not all agents came in time, CANCELLED by {@link close}.
   */
  async start(): Promise<void> {
    this.roster.start();
    this.renewal = setInterval(() => this.renew(), this.lostMs / 3);
    this.renewal.unref();
    try {
      await this.gather();
      this.prove();
      await this.assemble(true);
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
    this.serving = this.keepServing();
  }

  get servable(): string {
    return this.options.servable;
  }

  get version(): number {
    return this.options.version;
  }

  /** Those that are there, for people who look at the fleet. */
  get agents(): readonly AgentReport[] {
    const { servable } = this;
    return this.roster.all.map(({ address, rank, process }) => ({ address, servable, rank, process }));
  }

  /** What each rank declared, by rank and subgraph. There when {@link start} has resolved. */
  get ranks(): readonly (readonly RankSubgraph[])[] {
    return this.proven;
  }

  /**
   * Runs one batch, whose inputs are all that the model declares. Runs it once more, on a new mesh, when ranks are lost meanwhile. Rejects with NativeError when
   * the batch is at fault, else with ServingError: UNAVAILABLE, or CANCELLED when `signal` is aborted.
   */
  async predict(subgraph: number, inputs: readonly NativeTensor[], signal?: AbortSignal): Promise<readonly NativeTensor[]> {
    for (let attempt = 1; ; attempt++) {
      const mesh = await this.whenReady(signal);
      const outcome = await mesh.run(subgraph, inputs, this.options.predictMs ?? defaultPredictMs, signal);
      if ('outputs' in outcome) return outcome.outputs;
      if (!outcome.isRetryable || attempt === attempts) throw outcome.error;
      this.options.log.warn({ epoch: mesh.epoch, err: outcome.error }, 'a batch is run again: its ranks failed');
    }
  }

  /** Gives the agents free. */
  async close(): Promise<void> {
    if (this.ending.signal.aborted) return;
    this.ending.abort();
    clearInterval(this.renewal);
    this.mesh?.break('the worker leaves');
    this.changed();
    await this.serving;
    await Promise.allSettled(this.members().map((member) => this.ask(member, agentSubjects.release, this.claim, 500)));
    this.roster.stop();
  }

  private get claim(): WorkerClaim {
    return { worker: this.bus.address, leaseMs: this.lostMs };
  }

  private members(): Member[] {
    return Array.from({ length: this.options.rankSize }, (_, rank) => this.roster.at(rank)).filter((member) => member !== undefined);
  }

  private changed(): void {
    for (const wake of [...this.waiters]) wake();
  }

  /** Resolves at the next change. Rejects CANCELLED when the worker leaves. */
  private change(mostMs?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = mostMs === undefined ? undefined : setTimeout(() => wake(), mostMs);
      const wake = (): void => {
        clearTimeout(timer);
        this.waiters.delete(wake);
        if (this.ending.signal.aborted) reject(leaving());
        else resolve();
      };
      this.waiters.add(wake);
      if (this.ending.signal.aborted) wake();
    });
  }

  private async gather(): Promise<void> {
    const { rankSize, waitMs } = this.options;
    const until = waitMs === 0 ? Infinity : performance.now() + waitMs;
    const isKnown = ({ description }: Member): boolean => description !== undefined && description.state !== 'reading';
    for (;;) {
      const members = this.members();
      for (const { rank, description } of members)
        if (description?.state === 'failed') throw new ServingError('INVALID_ARGUMENT', `rank ${rank}: ${description.problem ?? 'failed'}`);
      if (members.length === rankSize && members.every(isKnown)) return;
      const leftMs = until - performance.now();
      if (leftMs <= 0)
        throw new ServingError(
          'DEADLINE_EXCEEDED',
          `Failed to wait for ready of all agents, current agents count: ${members.filter(isKnown).length}, rank size: ${rankSize}`,
        );
      await this.change(leftMs === Infinity ? undefined : leftMs);
    }
  }

  /** Throws ServingError INVALID_ARGUMENT with everything that is wrong. */
  private prove(): void {
    const { rankSize, stageSize } = this.options;
    const ranks = this.members().map(({ description }) => description?.subgraphs ?? []);
    const count = ranks[0]?.length ?? 0;
    const other = ranks.findIndex((subgraphs) => subgraphs.length !== count);
    if (other >= 0)
      throw new ServingError(
        'INVALID_ARGUMENT',
        `rank ${other} has ${ranks[other]?.length} subgraphs, rank 0 has ${count}: every rank needs the same number of model files`,
      );
    const problems = Array.from({ length: count }, (_, subgraph) =>
      disprove(
        ranks.map((subgraphs) => subgraphs[subgraph]),
        { rankSize, stageSize },
      ).map(({ text }) => (count === 1 ? text : `subgraph ${subgraph}: ${text}`)),
    ).flat();
    if (problems.length > 0)
      throw new ServingError('INVALID_ARGUMENT', `the ranks do not make one model: ${problems.slice(0, 10).join('; ')}`);
    this.hashes = ranks.map(hashOf);
    this.proven = ranks;
  }

  private async keepServing(): Promise<void> {
    try {
      for (;;) {
        await this.mesh?.broken;
        await this.assemble(false);
      }
    } catch (thrown) {
      if (!this.ending.signal.aborted) this.options.log.error({ err: thrown }, 'the ranks are given up');
    }
  }

  /** Until a mesh stands. Rejects when the worker leaves; `isFirst`: also when an agent cannot load its rank. */
  private async assemble(isFirst: boolean): Promise<void> {
    const { rankSize, log } = this.options;
    for (;;) {
      if (this.ending.signal.aborted) throw leaving();
      const members = this.fitMembers();
      if (members.length < rankSize) {
        await this.change();
        continue;
      }
      this.claimed = members;
      try {
        const statuses = await Promise.all(members.map((member) => this.loaded(member, isFirst)));
        this.mesh = await this.form(members, statuses);
        this.lastProblem = '';
        this.changed();
        log.info({ epoch: this.mesh.epoch }, 'the ranks stand ready');
        return;
      } catch (thrown) {
        if (thrown instanceof LoadFailed) throw thrown;
        const text = thrown instanceof Error ? thrown.message : String(thrown);
        if (text !== this.lastProblem) log.warn({}, `the ranks could not be formed, which is tried again: ${text}`);
        this.lastProblem = text;
        const claim = { ...this.claim, reason: 'the ranks could not be formed' };
        await Promise.allSettled(members.map((member) => this.ask(member, agentSubjects.abort, claim, 1_000)));
        await delay(againMs);
      }
    }
  }

  /** Agents with the files that were proven. */
  private fitMembers(): Member[] {
    return this.members().filter((member) => {
      const { description, rank, address } = member;
      if (description === undefined || description.state === 'reading') return false;
      if (description.state === 'failed') return false;
      if (hashOf(description.subgraphs) === this.hashes[rank]) return true;
      this.options.log.error(
        { rank, agent: address },
        `the agent of rank ${rank} has another model than the one before it: it is not used`,
      );
      return false;
    });
  }

  /** Its status when the rank is loaded. Rejects when it is lost or failed meanwhile. */
  private async loaded(member: Member, isFirst: boolean): Promise<AgentStatus> {
    for (
      let status = await this.ask(member, agentSubjects.load, this.claim);
      ;
      status = await this.ask(member, agentSubjects.status, this.claim)
    ) {
      if (status.state === 'loaded') return status;
      const text = `rank ${member.rank}: ${status.problem ?? 'its model could not be loaded'}`;
      if (status.state === 'failed') throw isFirst ? new LoadFailed(text) : new ServingError('UNAVAILABLE', text);
      if (this.ending.signal.aborted) throw leaving();
      await delay(pollMs);
    }
  }

  private async form(members: readonly Member[], statuses: readonly AgentStatus[]): Promise<Mesh> {
    const epoch = Math.max(Date.now(), this.epoch + 1);
    this.epoch = epoch;
    const meshes = this.proven[0]?.map((_, subgraph) => ({
      endpoints: statuses.map(({ endpoints }, rank) => {
        const endpoint = endpoints[subgraph];
        if (endpoint === undefined) throw new ServingError('UNAVAILABLE', `rank ${rank} does not say where it is`);
        return endpoint;
      }),
    }));
    const message: FormAgent = { ...this.claim, epoch, token: randomBytes(32).toString('hex'), meshes: meshes ?? [], deadlineMs: formMs };
    await Promise.all(members.map((member) => this.ask(member, agentSubjects.form, message, formMs + 1_000)));
    return new Mesh(this.bus, epoch, members, this.proven, (reason) => this.abortAll(members, reason));
  }

  private abortAll(members: readonly Member[], reason: string): void {
    if (!this.ending.signal.aborted) this.options.log.warn({}, `the ranks leave their mesh: ${reason}`);
    for (const member of members)
      void this.ask(member, agentSubjects.abort, { ...this.claim, reason }, 1_000).catch(() => this.roster.lose(member));
  }

  private async whenReady(signal: AbortSignal | undefined): Promise<Mesh> {
    const until = performance.now() + (this.options.recoverMs ?? defaultRecoverMs);
    for (;;) {
      if (this.ending.signal.aborted) throw leaving();
      if (signal?.aborted === true) throw new ServingError('CANCELLED', 'nobody waits for the batch any more');
      if (this.mesh !== undefined && !this.mesh.isBroken) return this.mesh;
      const leftMs = until - performance.now();
      if (leftMs <= 0) {
        const missing = this.options.rankSize - this.fitMembers().length;
        throw new ServingError('UNAVAILABLE', `${missing} of ${this.options.rankSize} ranks are missing, and did not come back in time`);
      }
      await this.change(Math.min(leftMs, 1_000));
    }
  }

  private onLost({ rank, address }: Member): void {
    const text = `the agent of rank ${rank} is lost`;
    if (!this.ending.signal.aborted) {
      this.lostAgents++;
      this.options.log.error({ rank, agent: address }, text);
    }
    this.mesh?.break(text);
  }

  /** Keeps the leases, and finds out about agents that left the mesh by themselves. */
  private renew(): void {
    const mesh = this.mesh?.isBroken === false ? this.mesh : undefined;
    for (const member of mesh?.members ?? this.claimed) {
      this.ask(member, agentSubjects.status, this.claim, this.lostMs).then(
        ({ epoch }) => {
          if (mesh !== undefined && epoch !== mesh.epoch) mesh.break(`rank ${member.rank} has left the mesh`);
        },
        (thrown: unknown) => {
          // Silence is the roster's affair: it may be the bus that is slow
          if (mesh !== undefined && thrown instanceof ServingError && thrown.code === 'UNAVAILABLE') this.roster.lose(member);
        },
      );
    }
  }

  private async ask(member: Member, subject: string, message: object, timeoutMs = 5_000): Promise<AgentStatus> {
    return parseControl(AgentStatusDto, await this.bus.request(member.address, subject, encodeJson(message), { timeoutMs }));
  }
}

/** An agent could not load its rank when the model was loaded for the first time. */
class LoadFailed extends ServingError {
  constructor(text: string) {
    super('INVALID_ARGUMENT', text);
  }
}

function leaving(): ServingError {
  return new ServingError('CANCELLED', 'the worker leaves');
}

function hashOf(subgraphs: readonly RankSubgraph[]): string {
  return subgraphs.map(({ sha256 }) => sha256).join(' ');
}
