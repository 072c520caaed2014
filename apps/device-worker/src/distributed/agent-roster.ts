import type { AppLog } from '@mserve/app';
import {
  agentSubjects,
  agentTopics,
  type AgentDescription,
  type AgentHello,
  type Bus,
  type ProcessReport,
  type Subscription,
} from '@mserve/bus';
import { AgentDescriptionDto, AgentHelloDto, parseControl, validateControl } from '@mserve/bus/nest';
import { checkRankSubgraph, type RankSubgraph } from '@mserve/mindir';

/** The agent of a rank, as far as it is known. */
export interface Member {
  readonly rank: number;
  readonly address: string;
  /** When it was started. */
  readonly epoch: number;
  /** undefined until it has been asked. */
  description: (Omit<AgentDescription, 'subgraphs'> & { readonly subgraphs: readonly RankSubgraph[] }) | undefined;
  heardAt: number;
  /** What it said last of its process. */
  process: ProcessReport | undefined;
  /** That was, or is being, asked for. */
  asked: number;
}

export interface RosterOptions {
  readonly servable: string;
  readonly version: number;
  readonly rankSize: number;
  /** An agent that is silent for longer is lost. */
  readonly lostMs: number;
  readonly log: AppLog;
  /** Something is known that was not: an agent, its state, its loss. */
  readonly onChange: () => void;
  /** An agent is lost, by its silence or because it left. */
  readonly onLost: (member: Member) => void;
}

const describeMs = 10_000;
const probeMs = 500;
const decoder = new TextDecoder();

/** Which agents there are, one for each rank: who says hello first keeps the rank until it is lost. */
export class AgentRoster {
  private readonly members = new Map<number, Member>();
  private readonly probed = new Set<string>();
  private readonly told = new Set<string>();
  private subscription: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;
  private sweptAt = 0;

  constructor(
    private readonly bus: Bus,
    private readonly options: RosterOptions,
  ) {}

  start(): void {
    this.subscription = this.bus.listen(agentTopics.hello, (body) => this.hear(body));
    this.sweptAt = performance.now();
    this.timer = setInterval(() => this.sweep(), this.sweepMs);
    this.timer.unref();
  }

  stop(): void {
    this.subscription?.unsubscribe();
    clearInterval(this.timer);
  }

  /** Agents that are there, by rank. */
  at(rank: number): Member | undefined {
    return this.members.get(rank);
  }

  /** All that are there. */
  get all(): readonly Member[] {
    return [...this.members.values()];
  }

  get count(): number {
    return this.members.size;
  }

  /** Nobody answers at its address any more. */
  lose(member: Member): void {
    if (this.members.get(member.rank) !== member) return;
    this.members.delete(member.rank);
    this.options.onLost(member);
    this.options.onChange();
  }

  private hear(body: Uint8Array): void {
    let hello: AgentHello;
    try {
      hello = parseControl(AgentHelloDto, body);
    } catch {
      return; // not from an agent of this version of mserve
    }
    const { servable, version, rankSize } = this.options;
    if (hello.servable !== servable || (hello.version !== 0 && hello.version !== version)) return;
    if (hello.rank >= rankSize)
      return this.tell(hello, `an agent offers rank ${hello.rank}, but the model has ${rankSize} ranks: it is not used`);
    const known = this.members.get(hello.rank);
    if (known !== undefined && known.address !== hello.address) return this.meetRival(known, hello);
    if (hello.leaving) {
      if (known !== undefined) this.lose(known);
      return;
    }
    const member = known ?? this.join(hello);
    member.heardAt = performance.now();
    member.process = hello.process;
    if (member.asked < hello.revision) this.ask(member, hello.revision);
  }

  private join({ rank, address, epoch }: AgentHello): Member {
    const member: Member = { rank, address, epoch, description: undefined, heardAt: performance.now(), process: undefined, asked: -1 };
    this.members.set(rank, member);
    return member;
  }

  /** Two agents of one rank: the first stays, unless it is gone without a word. */
  private meetRival(known: Member, hello: AgentHello): void {
    if (hello.leaving || this.probed.has(known.address)) return;
    this.probed.add(known.address);
    const settle = (): void => void this.probed.delete(known.address);
    this.bus.request(known.address, agentSubjects.describe, Buffer.from('{}'), { timeoutMs: probeMs }).then(
      () => {
        settle();
        this.tell(hello, `rank ${hello.rank} has an agent already (${known.address}): ${hello.address} is not used`);
      },
      () => {
        settle();
        this.lose(known);
      },
    );
  }

  private ask(member: Member, revision: number): void {
    member.asked = revision;
    const asking = this.bus.request(member.address, agentSubjects.describe, Buffer.from('{}'), { timeoutMs: describeMs });
    asking.then(
      (body) => this.describe(member, body),
      () => {
        if (member.asked === revision) member.asked = revision - 1;
      },
    );
  }

  private describe(member: Member, body: Uint8Array): void {
    try {
      const description = validateControl(AgentDescriptionDto, JSON.parse(decoder.decode(body)) as unknown);
      member.description = { ...description, subgraphs: description.subgraphs.map(checkRankSubgraph) };
    } catch (thrown) {
      this.options.log.error({ rank: member.rank, agent: member.address, err: thrown }, 'what an agent says of its rank makes no sense');
      return;
    }
    if (this.members.get(member.rank) === member) this.options.onChange();
  }

  private get sweepMs(): number {
    return Math.max(50, this.options.lostMs / 8);
  }

  private sweep(): void {
    const now = performance.now();
    // When this thread was held up, what agents said meanwhile has not been heard yet
    const heldUpMs = now - this.sweptAt - this.sweepMs;
    this.sweptAt = now;
    if (heldUpMs > this.sweepMs) for (const member of this.members.values()) member.heardAt += heldUpMs;
    const before = now - this.options.lostMs;
    for (const member of this.members.values()) if (member.heardAt < before) this.lose(member);
  }

  private tell({ address }: AgentHello, text: string): void {
    if (this.told.has(`${address} ${text}`)) return;
    this.told.add(`${address} ${text}`);
    this.options.log.error({ agent: address }, text);
  }
}
