import {
  NativeError,
  Session,
  type CollectiveStep,
  type ElementType,
  type Formation,
  type NativeTensor,
  type Rank,
  type RankEndpoint,
  type RankOptions,
  type RankProgram,
  type RankRun,
  type SegmentStep,
} from '@mserve/native';

/*
 * The contract of ranks (libs/native/src/rank-contract.ts) in TypeScript, for ranks of one process: the specs of what uses ranks
 * need no sockets. Segments run in real sessions.
 */

interface Frame {
  readonly batch: number;
  readonly label: string;
  readonly tensor: NativeTensor;
}

/** What one rank has sent to another and that one has not taken. */
class Pipe {
  private readonly frames: Frame[] = [];
  private readonly takers: { resolve: (frame: Frame) => void; reject: (error: NativeError) => void }[] = [];
  private broken: NativeError | undefined;

  put(frame: Frame): void {
    const taker = this.takers.shift();
    if (taker === undefined) this.frames.push(frame);
    else taker.resolve(frame);
  }

  take(): Promise<Frame> {
    const frame = this.frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.broken !== undefined) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => this.takers.push({ resolve, reject }));
  }

  break(error: NativeError): void {
    this.broken = error;
    for (const taker of this.takers.splice(0)) taker.reject(error);
  }
}

interface Mesh {
  readonly key: string;
  readonly members: Set<number>;
  readonly pipes: Map<string, Pipe>;
  isBroken: boolean;
  readonly waiting: { resolve: () => void; reject: (error: NativeError) => void }[];
}

/** The host on which the ranks of a spec meet. */
export class InProcessRanks {
  private ports = 0;
  private readonly meshes = new Map<string, Mesh>();
  readonly ranks = new Map<number, InProcessRank>();
  /** Ranks loaded so far. */
  loads = 0;

  /** As LoadRank. */
  readonly load = async (program: RankProgram, options: RankOptions & { readonly signal?: AbortSignal }): Promise<Rank> => {
    const sessions = new Map<SegmentStep, Session>();
    for (const step of program.steps) {
      if (step.kind !== 'segment') continue;
      sessions.set(step, await Session.open(step.model, { ...options.session, initializers: step.initializers }));
    }
    options.signal?.throwIfAborted();
    this.loads++;
    const endpoint = { host: 'in-process', address: options.address ?? '127.0.0.1', port: ++this.ports };
    const rank = new InProcessRank(this, program, options, sessions, endpoint);
    this.ranks.set(options.rank, rank);
    return rank;
  };

  mesh(formation: Formation): Mesh {
    const key = `${formation.epoch} ${formation.token}`;
    let mesh = this.meshes.get(key);
    if (mesh === undefined) {
      mesh = { key, members: new Set(), pipes: new Map(), isBroken: false, waiting: [] };
      this.meshes.set(key, mesh);
    }
    return mesh;
  }

  leave(mesh: Mesh): void {
    if (mesh.isBroken) return;
    mesh.isBroken = true;
    const error = new NativeError('peer', 'a peer left the mesh');
    for (const pipe of mesh.pipes.values()) pipe.break(error);
    for (const { reject } of mesh.waiting.splice(0)) reject(error);
  }
}

class InProcessRank implements Rank {
  readonly sharing: readonly [] = [];
  private joined: { mesh: Mesh; formation: Formation } | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private fail: ((error: NativeError) => void) | undefined;
  private isClosed = false;
  private lastBatch = -1;
  private hangs = false;
  private finishedCount = 0;
  private readonly finishers: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(
    private readonly host: InProcessRanks,
    private readonly program: RankProgram,
    private readonly options: RankOptions,
    private readonly sessions: ReadonlyMap<SegmentStep, Session>,
    readonly endpoint: RankEndpoint,
  ) {}

  async form(formation: Formation): Promise<void> {
    this.abort('a new formation');
    if (this.isClosed) throw new NativeError('closed', 'the rank is closed');
    const mesh = this.host.mesh(formation);
    this.joined = { mesh, formation };
    this.lastBatch = -1;
    mesh.members.add(this.options.rank);
    if (mesh.members.size === this.options.rankSize) {
      for (const { resolve } of mesh.waiting.splice(0)) resolve();
      return;
    }
    const stands = new Promise<void>((resolve, reject) => mesh.waiting.push({ resolve, reject }));
    await this.guarded(stands, formation.deadlineMs);
  }

  /** From now on batches neither end nor fail here until the mesh is left. */
  hang(): void {
    this.hangs = true;
    this.queue = new Promise(() => undefined);
  }

  /** From now on batches wait here until the returned function is called. */
  hold(): () => void {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    this.queue = this.queue.then(() => held);
    return release;
  }

  /** Batches that ended well. */
  get finished(): number {
    return this.finishedCount;
  }

  /** Resolves when so many batches have ended well. */
  whenFinished(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.finishers.push({ count, resolve });
      this.tellFinished();
    });
  }

  run(run: RankRun): Promise<NativeTensor[]> {
    const ran = this.queue.then(() => this.runAlone(run));
    this.queue = ran.then(
      () => {
        this.finishedCount++;
        this.tellFinished();
      },
      () => undefined,
    );
    return ran;
  }

  abort(reason: string): void {
    this.fail?.(new NativeError('aborted', `aborted: ${reason}`));
    this.leave();
  }

  async close(): Promise<void> {
    this.abort('closed');
    this.isClosed = true;
    if (!this.hangs) await this.queue;
    await Promise.all([...this.sessions.values()].map((session) => session.close()));
  }

  private tellFinished(): void {
    for (const { count, resolve } of this.finishers) if (this.finishedCount >= count) resolve();
  }

  private leave(): void {
    if (this.joined !== undefined) this.host.leave(this.joined.mesh);
    this.joined = undefined;
  }

  private async runAlone(run: RankRun): Promise<NativeTensor[]> {
    const { joined } = this;
    if (this.isClosed) throw new NativeError('closed', 'the rank is closed');
    if (joined === undefined) throw new NativeError('unformed', 'the rank has no mesh');
    if (run.batch <= this.lastBatch) throw new NativeError('protocol', `batch ${run.batch} after batch ${this.lastBatch}`);
    this.lastBatch = run.batch;
    return this.guarded(this.execute(run, joined.mesh), run.deadlineMs);
  }

  private async guarded<Result>(work: Promise<Result>, deadlineMs: number): Promise<Result> {
    let timer: NodeJS.Timeout | undefined;
    const failing = new Promise<never>((_, reject) => {
      this.fail = reject;
      timer = setTimeout(() => reject(new NativeError('deadline', 'the time of the run is over')), deadlineMs);
    });
    try {
      return await Promise.race([work, failing]);
    } catch (thrown) {
      this.leave();
      throw thrown;
    } finally {
      clearTimeout(timer);
      this.fail = undefined;
    }
  }

  private async execute(run: RankRun, mesh: Mesh): Promise<NativeTensor[]> {
    const values = new Map(this.program.constants.map(({ name, tensor }) => [name, tensor]));
    this.program.inputs.forEach(({ name }, index) => values.set(name, run.inputs[index]!));
    const get = (name: string): NativeTensor => values.get(name)!;
    for (const [at, step] of this.program.steps.entries()) {
      const outputs =
        step.kind === 'segment'
          ? await this.sessions.get(step)!.run(step.inputs.map(get))
          : await this.exchange(step, get, new Exchange(mesh, run.batch, this.options.rank, String(at)));
      outputNames(step).forEach((name, index) => values.set(name, outputs[index]!));
    }
    return run.wantResults ? this.program.results.map(get) : [];
  }

  private async exchange(step: CollectiveStep, get: (name: string) => NativeTensor, peers: Exchange): Promise<NativeTensor[]> {
    const me = step.group.indexOf(this.options.rank);
    switch (step.kind) {
      case 'allReduce':
        return [reduce(await peers.all(step.group, get(step.input)), step.reduction)];
      case 'reduceScatter':
        return [split(reduce(await peers.all(step.group, get(step.input)), step.reduction), 0, step.group.length)[me]!];
      case 'allGather':
        return [concat(await peers.all(step.group, get(step.input)), 0)];
      case 'allToAll': {
        const parts = split(get(step.input), step.splitAxis, step.group.length);
        return [concat(await peers.swap(step.group, parts), step.concatAxis)];
      }
      case 'broadcast':
        return Promise.all(step.inputs.map(async (input) => (await peers.all(step.group, get(input)))[step.group.indexOf(step.root)]!));
      case 'neighborExchange':
        step.inputs.forEach((input, index) => peers.send(step.sendTo[index]!, 'neighbor', get(input)));
        return Promise.all(step.receiveFrom.map((from) => peers.receive(from, 'neighbor')));
      case 'send':
        peers.send(step.to, `tag ${step.tag}`, get(step.input));
        return [];
      case 'receive':
        return [await peers.receive(step.from, `tag ${step.tag}`)];
    }
  }
}

function outputNames(step: RankProgram['steps'][number]): string[] {
  if (step.kind === 'segment') return [...step.outputs];
  if (step.kind === 'send') return [];
  return ('outputs' in step ? step.outputs : [step.output]).map(({ name }) => name);
}

/** The peers of one rank in one step of one batch. */
class Exchange {
  constructor(
    private readonly mesh: Mesh,
    private readonly batch: number,
    private readonly rank: number,
    private readonly step: string,
  ) {}

  send(to: number, label: string, tensor: NativeTensor): void {
    this.pipe(this.rank, to, label).put({ batch: this.batch, label, tensor });
  }

  async receive(from: number, label: string): Promise<NativeTensor> {
    const { batch, tensor } = await this.pipe(from, this.rank, label).take();
    if (batch !== this.batch) throw new NativeError('protocol', `rank ${from} is at batch ${batch}`);
    return tensor;
  }

  /** The tensors of all members, in the order of the group. */
  all(group: readonly number[], tensor: NativeTensor): Promise<NativeTensor[]> {
    return this.swap(
      group,
      group.map(() => tensor),
    );
  }

  /** Part i goes to member i. */
  swap(group: readonly number[], parts: readonly NativeTensor[]): Promise<NativeTensor[]> {
    const label = `group ${group.join()}`;
    group.forEach((member, index) => this.send(member, label, parts[index]!));
    return Promise.all(group.map((member) => this.receive(member, label)));
  }

  private pipe(from: number, to: number, label: string): Pipe {
    const key = `${from} ${to} ${label}`;
    let pipe = this.mesh.pipes.get(key);
    if (pipe === undefined) {
      pipe = new Pipe();
      if (this.mesh.isBroken) pipe.break(new NativeError('peer', 'a peer left the mesh'));
      this.mesh.pipes.set(key, pipe);
    }
    return pipe;
  }
}

const arrays: Partial<Record<ElementType, Float32ArrayConstructor | Float64ArrayConstructor | Int32ArrayConstructor>> = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
};
const combine = {
  sum: (a: number, b: number) => a + b,
  prod: (a: number, b: number) => a * b,
  max: Math.max,
  min: Math.min,
};

function reduce(tensors: readonly NativeTensor[], reduction: keyof typeof combine): NativeTensor {
  const [first] = tensors;
  const array = arrays[first!.dtype];
  if (array === undefined) throw new NativeError('run', `reductions of ${first!.dtype} are not in this double`);
  const [result, ...others] = tensors.map(({ bytes }) => new array(new Uint8Array(bytes).buffer));
  for (const other of others) other.forEach((value, index) => (result![index] = combine[reduction](result![index]!, value)));
  return { ...first!, bytes: new Uint8Array(result!.buffer) };
}

/** Rows before the axis, and bytes of one position on the axis. */
function layout({ shape, bytes }: NativeTensor, axis: number): { rows: number; rowBytes: number } {
  const rows = shape.slice(0, axis).reduce((count, dim) => count * dim, 1);
  return { rows, rowBytes: bytes.byteLength / rows };
}

function split(tensor: NativeTensor, axis: number, parts: number): NativeTensor[] {
  const { rows, rowBytes } = layout(tensor, axis);
  const partBytes = rowBytes / parts;
  const shape = tensor.shape.map((dim, index) => (index === axis ? dim / parts : dim));
  return Array.from({ length: parts }, (_, part) => {
    const bytes = Buffer.concat(
      Array.from({ length: rows }, (_unused, row) =>
        tensor.bytes.subarray(row * rowBytes + part * partBytes, row * rowBytes + (part + 1) * partBytes),
      ),
    );
    return { dtype: tensor.dtype, shape, bytes };
  });
}

function concat(tensors: readonly NativeTensor[], axis: number): NativeTensor {
  const first = tensors[0]!;
  const { rows } = layout(first, axis);
  const dim = tensors.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  const bytes = Buffer.concat(
    Array.from({ length: rows }, (_, row) =>
      tensors.map((tensor) => tensor.bytes.subarray((row * tensor.bytes.byteLength) / rows, ((row + 1) * tensor.bytes.byteLength) / rows)),
    ).flat(),
  );
  return { dtype: first.dtype, shape: first.shape.map((size, index) => (index === axis ? dim : size)), bytes };
}
