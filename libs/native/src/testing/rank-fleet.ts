import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { NativeError, type FaultyPeer, type NativeErrorKind } from '../native-error.js';
import type { Formation, RankEndpoint, RankOptions, RankProgram, RankRun, Sharing } from '../rank-contract.js';
import type { NativeTensor } from '../tensor.js';

const root = join(import.meta.dirname, '..', '..', '..', '..');
const script = join(root, 'libs', 'native', 'test', 'rank-process.mjs');

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly kind: NativeErrorKind; readonly message: string; readonly peer: FaultyPeer | undefined };
}

/** A rank in a process of its own. Calls reject with its NativeError, or with one of kind 'lost' when the process ends. */
export class RankProcess {
  readonly #process: ChildProcess;
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #last = 0;

  /** `wrapper`: a command that starts the process, `ip netns exec NAME` for example. */
  constructor(wrapper: readonly string[] = []) {
    const [command, ...parameters] = [...wrapper, process.execPath, script];
    this.#process = spawn(command!, parameters, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' });
    this.#process.on('message', (answer: Answer) => {
      const call = this.#calls.get(answer.id);
      this.#calls.delete(answer.id);
      if (answer.error === undefined) call?.resolve(answer.value);
      else call?.reject(new NativeError(answer.error.kind, answer.error.message, { peer: answer.error.peer }));
    });
    this.#process.on('exit', () => {
      for (const { reject } of this.#calls.values()) reject(new NativeError('lost', 'the process of the rank ended'));
      this.#calls.clear();
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  load(program: RankProgram, options: RankOptions): Promise<RankEndpoint> {
    return this.#call('load', { program, options });
  }

  form(formation: Formation): Promise<readonly Sharing[]> {
    return this.#call('form', formation);
  }

  run(run: RankRun): Promise<NativeTensor[]> {
    return this.#call('run', run);
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Ends the process, in whatever state it is. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  #call<T>(call: string, argument: unknown): Promise<T> {
    const id = ++this.#last;
    return new Promise<T>((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#process.send({ id, call, argument });
    });
  }
}

/** All ranks of a model, each in a process of its own. */
export class RankFleet {
  readonly processes: RankProcess[] = [];
  readonly endpoints: RankEndpoint[] = [];
  #epoch = 0;
  #batch = 0;

  constructor(
    private readonly programs: readonly RankProgram[],
    private readonly options: (rank: number) => Partial<RankOptions> & { readonly wrapper?: readonly string[] } = () => ({}),
  ) {
    execFileSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b', join(root, 'libs', 'native')]);
  }

  async start(): Promise<void> {
    await Promise.all(this.programs.map((_, rank) => this.startRank(rank)));
  }

  /** Also instead of one that has ended. */
  async startRank(rank: number): Promise<void> {
    const { wrapper, ...options } = this.options(rank);
    const started = new RankProcess(wrapper);
    this.processes[rank] = started;
    this.endpoints[rank] = await started.load(this.programs[rank]!, { ...options, rank, rankSize: this.programs.length });
  }

  form(change: Partial<Formation> = {}): Promise<(readonly Sharing[])[]> {
    const epoch = ++this.#epoch;
    this.#batch = 0;
    const token = randomBytes(32).toString('hex');
    const formation = { epoch, token, endpoints: this.endpoints, deadlineMs: 15_000, ...change };
    return Promise.all(this.processes.map((rank) => rank.form(formation)));
  }

  /** What each rank says of the next batch; `left`: ranks that are not asked to run it. */
  run(
    inputs: readonly (readonly NativeTensor[])[],
    { deadlineMs = 15_000, left = [] as readonly number[] } = {},
  ): Promise<NativeTensor[]>[] {
    const batch = this.#batch++;
    return this.processes.flatMap((rank, index) =>
      left.includes(index) ? [] : [rank.run({ batch, inputs: inputs[index]!, wantResults: true, deadlineMs })],
    );
  }

  async end(): Promise<void> {
    await Promise.all(this.processes.map((rank) => rank.end()));
  }
}
