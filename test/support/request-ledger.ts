import { Agent, request } from 'node:http';

/** How a request ended. */
export type Ending = 'answered' | 'wrong' | 'refused' | 'broken';

/** One request of the ledger: it was sent, and ends exactly once. */
interface Entry {
  readonly gateway: string;
  readonly sentAt: number;
  endings: number;
}

export interface LedgerFigures {
  readonly sent: number;
  /** Answered with their own answer, by their deadline. */
  readonly answered: number;
  /** Ended by the end of their gateway's process, which was killed while it had them. */
  readonly killed: number;
  /** Never ended by their deadline, or more than once. */
  readonly lost: readonly string[];
  /** Somebody else's answer. */
  readonly wrong: readonly string[];
  /** Everything else that a client sees. */
  readonly errors: readonly string[];
  /** From request to answer, in ms. */
  readonly slowestMs: number;
}

/** A client gives up so long after the deadline: by then the server has to have said something. */
const patienceMs = 2_000;

/**
 * Clients of several gateways that ask the servable `turns`, each request with a question and an id of its own, and a ledger of them all: every id has to end exactly
 * once, by its deadline, with its own answer. Clients go to the next gateway while theirs is not to be asked, as behind a balancer.
 */
export class RequestLedger {
  private readonly agent = new Agent({ keepAlive: true });
  private readonly open = new Map<number, Entry>();
  private readonly asleep = new Set<string>();
  private readonly killedAt = new Map<string, number>();
  private readonly done: Promise<unknown>;
  private readonly lost: string[] = [];
  private readonly wrong: string[] = [];
  private readonly errors: string[] = [];
  private watchers: (() => void)[] = [];
  private sent = 0;
  private answered = 0;
  private killed = 0;
  private slowestMs = 0;
  private isOver = false;

  /** @param gateways addresses of REST ports. @param pauseMs between an answer and the next request of a client. */
  constructor(
    private readonly gateways: readonly string[],
    clients: number,
    private readonly deadlineMs: number,
    private readonly pauseMs: number,
  ) {
    this.done = Promise.all(Array.from({ length: clients }, (_, client) => this.run(client)));
  }

  get figures(): LedgerFigures {
    const { sent, answered, killed, lost, wrong, errors, slowestMs } = this;
    return { sent, answered, killed, lost: [...lost], wrong: [...wrong], errors: [...errors], slowestMs };
  }

  /** A gateway gets no further requests, until it is {@link take | taken} again. `killed`: what it has in hand will not be answered. */
  leave(gateway: string, killed: boolean): void {
    this.asleep.add(gateway);
    if (killed) this.killedAt.set(gateway, performance.now());
  }

  take(gateway: string): void {
    this.asleep.delete(gateway);
  }

  /** Resolves when so many further requests were answered, or something has gone wrong. */
  async until(answers: number): Promise<void> {
    const wanted = this.answered + answers;
    while (this.answered < wanted && this.lost.length + this.wrong.length + this.errors.length === 0)
      await new Promise<void>((resolve) => this.watchers.push(resolve));
  }

  async stop(): Promise<LedgerFigures> {
    this.isOver = true;
    await this.done;
    this.agent.destroy();
    for (const id of this.open.keys()) this.lost.push(`${id} never ended`);
    return this.figures;
  }

  private async run(client: number): Promise<void> {
    while (!this.isOver) {
      const own = this.gateways[client % this.gateways.length] as string;
      const gateway = this.asleep.has(own) ? (this.gateways.find((other) => !this.asleep.has(other)) ?? own) : own;
      await this.ask(gateway);
      await new Promise((resolve) => setTimeout(resolve, this.pauseMs));
    }
  }

  private ask(gateway: string): Promise<void> {
    const id = ++this.sent;
    const entry: Entry = { gateway, sentAt: performance.now(), endings: 0 };
    this.open.set(id, entry);
    const tensor = (name: string, value: number): unknown => ({ name, datatype: 'FP32', shape: [1, 2], data: [value, 0.5] });
    const body = JSON.stringify({ id: `chaos-${id}`, inputs: [tensor('x1', id), tensor('x2', 3)] });
    const [host, port] = gateway.split(':');
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-request-timeout-ms': String(this.deadlineMs),
      'x-request-id': `chaos-${id}`,
    };
    return new Promise((resolve) => {
      const end = (ending: Ending, what: string): void => {
        clearTimeout(patience);
        this.end(id, entry, ending, what);
        resolve();
      };
      const call = request({ host, port, path: '/v2/models/turns/infer', method: 'POST', agent: this.agent, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', (error) => end('broken', error.message));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode !== 200) return end('refused', `${response.statusCode} ${text}`);
          const answer = JSON.parse(text) as { id: string; outputs: { data: number[] }[] };
          const isOwn = answer.id === `chaos-${id}` && answer.outputs[0]?.data[0] === Math.fround(id + 3);
          end(isOwn ? 'answered' : 'wrong', text);
        });
      });
      call.on('error', (error) => end('broken', error.message));
      const patience = setTimeout(() => call.destroy(new Error('no answer by the deadline')), this.deadlineMs + patienceMs);
      call.end(body);
    });
  }

  private end(id: number, entry: Entry, ending: Ending, what: string): void {
    const now = performance.now();
    entry.endings += 1;
    this.open.delete(id);
    const ms = now - entry.sentAt;
    const text = `${id} at ${entry.gateway} after ${Math.round(ms)} ms: ${what.slice(0, 200)}`;
    if (entry.endings > 1) this.lost.push(`${text} (ended ${entry.endings} times)`);
    else if (ending === 'answered') {
      this.answered += 1;
      this.slowestMs = Math.max(this.slowestMs, ms);
      if (ms > this.deadlineMs + patienceMs / 2) this.lost.push(`${text} (answered after its deadline)`);
    } else if (ending === 'wrong') this.wrong.push(text);
    else if (ending === 'broken' && entry.sentAt <= (this.killedAt.get(entry.gateway) ?? -Infinity)) this.killed += 1;
    else this.errors.push(text);
    for (const resolve of this.watchers.splice(0)) resolve();
  }
}
