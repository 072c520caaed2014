import { createHash } from 'node:crypto';
import { status, type Client, type ServiceError } from '@grpc/grpc-js';
import type { AppLog } from '@mserve/app';
import {
  agentSubjects,
  agentTopics,
  decodeRankBatch,
  encodeRankFrame,
  type AgentDescription,
  type AgentHello,
  type AgentStatus,
  type Bus,
  type RankBatch,
  type Subscription,
} from '@mserve/bus';
import { AbortAgentDto, encodeJson, FormAgentDto, parseControl } from '@mserve/bus/nest';
import { ServingError, type Tensor } from '@mserve/wire';
import { callAgent, messageOf, portOf, tensorOf, type AgentSpec } from './original-protocol.js';

/** An agent of MindSpore Serving that has registered, and the model that it is for. */
export interface OriginalAgentOptions {
  readonly servable: string;
  readonly version: number;
  readonly rankSize: number;
  readonly rank: number;
  /** HOST:PORT of its MSAgent service. */
  readonly address: string;
  /** One for each subgraph. */
  readonly specs: readonly AgentSpec[];
  readonly log: AppLog;
  readonly onLost: () => void;
}

const helloMs = 250;
const pingMs = 1_000;
const mostMissedPings = 3;

/**
 * An agent of MindSpore Serving as a participant of the bus, where it is coordinated as our own agents are. It tells nothing of its collectives, so that only inputs and outputs
 * of the ranks are compared; its ranks reach each other by themselves, so that there is no mesh to form, and what it runs cannot be ended. It gets one batch at a time.
 */
export class OriginalAgent {
  private readonly epoch = Date.now();
  private readonly subgraphs: readonly object[];
  private readonly subscriptions: readonly Subscription[];
  private readonly timers: readonly NodeJS.Timeout[];
  private meshEpoch = 0;
  private missedPings = 0;
  private isOver = false;
  /** Settles when the batch before has ended. */
  private last: Promise<unknown> = Promise.resolve();

  /** Throws ServingError INVALID_ARGUMENT for dtypes that ranks do not exchange. Bus and client are closed with it. */
  constructor(
    private readonly bus: Bus,
    private readonly client: Client,
    private readonly options: OriginalAgentOptions,
  ) {
    this.subgraphs = options.specs.map(subgraphOf);
    const answer = (subject: string, status: (body: Uint8Array) => object): Subscription =>
      bus.respond(subject, async (body) => encodeJson(status(body)));
    this.subscriptions = [
      answer(agentSubjects.describe, () => this.description),
      answer(agentSubjects.load, () => this.status),
      answer(agentSubjects.status, () => this.status),
      answer(agentSubjects.form, (body) => this.move(parseControl(FormAgentDto, body).epoch)),
      answer(agentSubjects.abort, (body) => (parseControl(AbortAgentDto, body), this.move(0))),
      answer(agentSubjects.release, () => this.move(0)),
      bus.respond(agentSubjects.predict, (body) => this.predict(body)),
    ];
    this.timers = [setInterval(() => this.sayHello(false), helloMs), setInterval(() => void this.ping(), pingMs)];
    this.sayHello(false);
  }

  get address(): string {
    return this.options.address;
  }

  /** It is gone: the worker hears of it, and waits for another one. */
  leave(): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const timer of this.timers) clearInterval(timer);
    this.sayHello(true);
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    this.client.close();
    void this.bus.close();
    this.options.onLost();
  }

  /** Asks it to end, as the original's worker does when it ends itself. */
  async exit(ownAddress: string): Promise<void> {
    if (this.isOver) return;
    await callAgent(this.client, 'Exit', { address: ownAddress }, pingMs).catch(() => undefined);
    this.leave();
  }

  /** Answers a ping. */
  pong(ownAddress: string): void {
    if (!this.isOver) callAgent(this.client, 'Pong', { address: ownAddress }, pingMs).catch(() => undefined);
  }

  private get description(): AgentDescription {
    const { servable, rank, rankSize } = this.options;
    return { servable, rank, rankSize, revision: 1, state: 'loaded', subgraphs: this.subgraphs };
  }

  private get status(): AgentStatus {
    const nowhere = { host: 'original', address: this.options.address, port: 0 };
    return { state: 'loaded', epoch: this.meshEpoch, endpoints: this.subgraphs.map(() => nowhere) };
  }

  private move(epoch: number): AgentStatus {
    this.meshEpoch = epoch;
    return this.status;
  }

  private sayHello(leaving: boolean): void {
    const { servable, version, rank } = this.options;
    const hello: AgentHello = { address: this.bus.address, epoch: this.epoch, servable, version, rank, revision: 1, leaving };
    this.bus.broadcast(agentTopics.hello, encodeJson(hello));
  }

  private async ping(): Promise<void> {
    try {
      await callAgent(this.client, 'Ping', { address: this.options.address }, pingMs);
      this.missedPings = 0;
    } catch {
      if (this.isOver || ++this.missedPings < mostMissedPings) return;
      this.options.log.error(
        { rank: this.options.rank, agent: this.options.address },
        'an agent of MindSpore Serving does not answer any more',
      );
      this.leave();
    }
  }

  private async predict(body: Uint8Array): Promise<Uint8Array> {
    const until = performance.now();
    const { head, tensors } = decodeRankBatch(body);
    const turn = this.last.then(() => this.run(head, tensors, until + head.deadlineMs - performance.now()));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async run({ epoch, wantResults, subgraph }: RankBatch, inputs: readonly Tensor[], leftMs: number): Promise<Uint8Array> {
    if (epoch !== this.meshEpoch) return failed('unformed', `rank ${this.options.rank} is not in epoch ${epoch}`);
    if (leftMs <= 0) return failed('deadline', 'the batch before it took too long');
    const request = { inputs: inputs.map(messageOf), return_result: wantResults, subgraph };
    const reply = await callAgent(this.client, 'Predict', request, leftMs).catch((error: ServiceError) => error);
    if (reply instanceof Error) {
      if (reply.code === status.DEADLINE_EXCEEDED) return failed('deadline', reply.details);
      throw new ServingError('UNAVAILABLE', reply.details, { cause: reply });
    }
    const { outputs, error_msg: error } = reply;
    if (error !== null && Number(error.error_code) !== 0) return failed('run', Buffer.from(error.error_msg).toString('utf8'));
    return encodeRankFrame({}, wantResults ? outputs.map(tensorOf) : []);
  }
}

function failed(kind: string, message: string): Uint8Array {
  return encodeRankFrame({ failure: { kind, message } }, []);
}

/** What our own agents say of a subgraph, without its collectives. */
function subgraphOf(spec: AgentSpec): object {
  const inputs = spec.inputs.map((info, index) => ({ name: `input_${index}`, ...portOf(info) }));
  const outputs = spec.outputs.map((info, index) => ({ name: `output_${index}`, ...portOf(info) }));
  const sha256 = createHash('sha256')
    .update(JSON.stringify([inputs, outputs]))
    .digest('hex');
  return { inputs, outputs, schedule: [], restoreRanks: [], uses: inputs.map((_, index) => index), sha256 };
}
