import {
  agentSubjects,
  agentTopics,
  decodeRankBatch,
  encodeRankFrame,
  type AbortAgent,
  type AgentDescription,
  type AgentHello,
  type AgentState,
  type AgentStatus,
  type ControlBus,
  type FormAgent,
  type RankBatch,
  type Subscription,
  type WorkerClaim,
} from '@mserve/bus';
import { rankSubgraphOf, type RankModel } from '@mserve/mindir';
import { ProcessWatch } from '@mserve/ops';
import { NativeError, type NativeTensor, type Rank, type RankProgram } from '@mserve/native';
import { ServingError, type Tensor } from '@mserve/wire';
import type { AgentOptions } from './agent-options.js';
import { BatchOrder } from './rank/batch-order.js';
import { Lease } from './rank/lease.js';
import { readRankFiles } from './rank/rank-files.js';

const helloMs = 250;

/** A subgraph that is loaded. */
interface LoadedRank {
  readonly rank: Rank;
  readonly order: BatchOrder;
}

/**
 * Runs one rank of a distributed model for one worker at a time. It reads its files when it starts, says hello, and does what the worker that holds its
 * lease asks: load, form, predict, abort. When that worker is gone it leaves the mesh, keeps the model, and serves the next one.
 */
export class Agent {
  private readonly epoch = Date.now();
  private readonly lease: Lease;
  private readonly watch = new ProcessWatch();
  private state: AgentState = 'reading';
  private problem: string | undefined;
  private revision = 0;
  private leaving = false;
  private models: readonly RankModel[] = [];
  private ranks: readonly LoadedRank[] = [];
  /** Of the mesh that stands; 0 = none. */
  private meshEpoch = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly subscriptions: Subscription[] = [];
  private loading: Promise<void> | undefined;

  constructor(
    private readonly bus: ControlBus,
    private readonly options: AgentOptions,
  ) {
    this.lease = new Lease((worker) => this.onWorkerLost(worker));
  }

  /** Says hello and reads the files. Resolves when they are read, or known to be unfit; never rejects. */
  async start(): Promise<void> {
    const { rank, log } = this.options;
    const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
    this.subscriptions.push(
      // Schedules of large models do not fit into a control message
      this.bus.respond(agentSubjects.describe, async () => json(this.description)),
      this.bus.respond(agentSubjects.predict, (body) => this.predict(body)),
    );
    this.timer = setInterval(() => this.sayHello(), helloMs);
    this.sayHello();
    try {
      this.models = await readRankFiles(this.options);
      this.move('read');
    } catch (thrown) {
      log.error({ rank, err: thrown }, 'the files of the rank cannot be used');
      this.fail(thrown);
    }
  }

  get description(): AgentDescription {
    const { servable, rank, rankSize } = this.options;
    const { revision, state, problem } = this;
    return { servable, rank, rankSize, revision, state, problem, subgraphs: this.models.map(rankSubgraphOf) };
  }

  /** Opens the sessions of the rank, if they are not open. Answers before they are. */
  load(claim: WorkerClaim): AgentStatus {
    this.lease.claim(claim);
    if (this.state === 'read') this.loading = this.open();
    return this.status;
  }

  /** Leaves the former mesh and builds that of a new epoch. Rejects with ServingError when it does not come to stand. */
  async form(message: FormAgent): Promise<AgentStatus> {
    this.lease.claim(message);
    const { epoch, token, meshes, deadlineMs } = message;
    if (this.state !== 'loaded') throw new ServingError('UNAVAILABLE', `rank ${this.options.rank} is ${this.state}, not loaded`);
    if (meshes.length !== this.ranks.length)
      throw new ServingError('INVALID_ARGUMENT', `${meshes.length} meshes for ${this.ranks.length} subgraphs`);
    this.meshEpoch = 0;
    for (const { order } of this.ranks) order.reset();
    try {
      await Promise.all(
        this.ranks.map(({ rank }, index) => rank.form({ epoch, token, endpoints: meshes[index]?.endpoints ?? [], deadlineMs })),
      );
    } catch (thrown) {
      throw new ServingError('UNAVAILABLE', `rank ${this.options.rank} could not join epoch ${epoch}: ${textOf(thrown)}`, {
        cause: thrown,
      });
    }
    this.meshEpoch = epoch;
    this.tellMesh(epoch);
    return this.status;
  }

  abort(message: AbortAgent): AgentStatus {
    this.lease.claim(message);
    this.leaveMesh(message.reason);
    return this.status;
  }

  /** Renews the lease of the worker that asks. */
  renew(claim: WorkerClaim): AgentStatus {
    this.lease.claim(claim);
    return this.status;
  }

  /** The worker needs the agent no more. */
  release({ worker }: WorkerClaim): AgentStatus {
    if (this.lease.worker === worker) {
      this.lease.release();
      this.leaveMesh('the worker leaves');
    }
    return this.status;
  }

  /** Says that it leaves, ends what runs, and frees the model. */
  async close(): Promise<void> {
    this.leaving = true;
    this.changed();
    clearInterval(this.timer);
    this.watch.close();
    this.lease.release();
    for (const subscription of this.subscriptions.splice(0)) subscription.unsubscribe();
    await this.loading;
    await Promise.all(this.ranks.map(({ rank }) => rank.close()));
    this.ranks = [];
  }

  private get status(): AgentStatus {
    const { state, problem, meshEpoch: epoch } = this;
    return { state, problem, epoch, endpoints: this.ranks.map(({ rank }) => rank.endpoint) };
  }

  private async open(): Promise<void> {
    this.move('loading');
    const { rank, rankSize, address, port, session, loadRank, log } = this.options;
    const opened: LoadedRank[] = [];
    try {
      for (const [index, { program }] of this.models.entries()) {
        const options = {
          rank,
          rankSize,
          ...(address !== undefined && { address }),
          ...(port !== undefined && { port: port === 0 ? 0 : port + index }),
          ...(session !== undefined && { session }),
        };
        opened.push({ rank: await loadRank(nativeProgram(program), options), order: new BatchOrder() });
      }
      this.ranks = opened;
      this.move('loaded');
      log.info({ rank }, 'the rank is loaded');
    } catch (thrown) {
      await Promise.allSettled(opened.map((one) => one.rank.close()));
      log.error({ rank, err: thrown }, 'the rank could not be loaded');
      this.fail(thrown);
    }
  }

  private async predict(body: Uint8Array): Promise<Uint8Array> {
    const { head, tensors } = decodeRankBatch(body);
    try {
      return encodeRankFrame({}, await this.run(head, tensors.map(nativeTensor)));
    } catch (thrown) {
      if (!(thrown instanceof NativeError)) throw thrown;
      const { kind, message, runtimeCode } = thrown;
      return encodeRankFrame({ failure: { kind, message, runtimeCode } }, []);
    }
  }

  private run(head: RankBatch, inputs: readonly NativeTensor[]): Promise<Tensor[]> {
    const { worker, epoch, subgraph, batch, wantResults, deadlineMs } = head;
    const loaded = this.ranks[subgraph];
    if (loaded === undefined || worker !== this.lease.worker || epoch !== this.meshEpoch)
      return Promise.reject(new NativeError('unformed', `rank ${this.options.rank} is not in epoch ${epoch}`));
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new NativeError('deadline', 'a batch before it never came')), deadlineMs);
      loaded.order.enter(batch, () => {
        clearTimeout(late);
        const leftMs = Math.max(1, Math.floor(deadlineMs - (performance.now() - startedAt)));
        loaded.rank.run({ batch, inputs, wantResults, deadlineMs: leftMs }).then(resolve, (thrown: unknown) => {
          if (epoch === this.meshEpoch) this.leaveMesh(`batch ${batch} failed`);
          reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
        });
      });
    });
  }

  private onWorkerLost(worker: string): void {
    this.options.log.warn(
      { rank: this.options.rank, worker },
      'the worker was not heard of for too long: the model is kept for the next one',
    );
    this.leaveMesh('the worker is gone');
  }

  private tellMesh(epoch: number): void {
    const { rank, log } = this.options;
    const sharing = this.ranks[0]?.rank.sharing ?? [];
    log.info({ rank, epoch, sharing }, 'the mesh stands');
    const reason = sharing.find((way) => way === 'no-space' || way === 'forbidden');
    if (reason === undefined) return;
    const text =
      reason === 'no-space'
        ? 'ranks on this machine use TCP, which is slower: /dev/shm is full or too small (docker run --shm-size, or an emptyDir in memory)'
        : 'ranks on this machine use TCP, which is slower: /dev/shm cannot be written to, or the ranks belong to different users';
    log.warn({ rank, sharing }, text);
  }

  private leaveMesh(reason: string): void {
    this.meshEpoch = 0;
    for (const { rank } of this.ranks) rank.abort(reason);
  }

  private fail(thrown: unknown): void {
    this.problem = textOf(thrown);
    this.move('failed');
  }

  private move(state: AgentState): void {
    this.state = state;
    this.changed();
  }

  private changed(): void {
    this.revision++;
    this.sayHello();
  }

  private sayHello(): void {
    if (this.bus.state !== 'up') return;
    const { servable, version, rank } = this.options;
    const { epoch, revision, leaving } = this;
    const process = this.watch.report();
    const hello: AgentHello = { address: this.bus.address, epoch, servable, version, rank, revision, leaving, process };
    this.bus.broadcast(agentTopics.hello, Buffer.from(JSON.stringify(hello)));
  }
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** No rank exchanges or keeps `bytes` tensors: MindIR has none, so that the dtypes are those of the native layer. */
function nativeProgram(program: RankModel['program']): RankProgram {
  return program as RankProgram;
}

function nativeTensor({ dtype, shape, bytes }: Tensor): NativeTensor {
  if (dtype === 'bytes') throw new ServingError('INVALID_ARGUMENT', 'ranks take no bytes tensors');
  return { dtype, shape, bytes };
}
