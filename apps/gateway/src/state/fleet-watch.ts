import {
  statsSubjects,
  topics,
  type AgentReport,
  type Bus,
  type GatewayHello,
  type ProcessReport,
  type SchedulerReport,
  type Subscription,
} from '@mserve/bus';
import { encodeJson, GatewayHelloDto, parseControl, SchedulerReportDto, WorkerProcessReportDto } from '@mserve/bus/nest';
import { ProcessWatch, type ProcessView, type ReplicaView } from '@mserve/ops';
import { ServingError } from '@mserve/wire';
import type { SchedulerWatch } from '../catalog/scheduler-watch.js';

/** Workers that are asked at a time; the others have their turn later. */
const workersAtATime = 32;
/** Somebody who does not answer is asked again after this long. */
const retryMs = 10_000;
const helloMs = 1_000;
/** A gateway that is silent for longer is gone. */
const silentMs = 5_000;
/** So many other gateways are shown. */
const mostGateways = 1_000;

interface Known {
  report?: ProcessReport | undefined;
  problem?: string | undefined;
  retryAt: number;
}

interface Gateway {
  readonly report: ProcessReport;
  readonly heardAt: number;
}

/** Hears of other gateways. Asks schedulers and workers how they are, once per {@link ask}. What does not answer keeps what it said last, and why is said. */
export class FleetWatch {
  private readonly own = new ProcessWatch();
  private readonly schedulers = new Map<string, Known & { stats?: SchedulerReport | undefined }>();
  private readonly workers = new Map<string, Known & { agents?: readonly AgentReport[] | undefined }>();
  private readonly gateways = new Map<string, Gateway>();
  private hearing: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;
  private turn = 0;

  constructor(
    private readonly bus: Bus,
    private readonly watch: SchedulerWatch,
  ) {}

  /** Tells other gateways of this one, and hears of them. Once. */
  begin(): void {
    this.hearing = this.bus.listen(topics.gatewaysHello, (body) => this.hear(body));
    this.timer = setInterval(() => this.sayHello(), helloMs).unref();
    this.sayHello();
  }

  /** `withWorkers`: their processes, too, which costs a request to each. Never rejects. */
  async ask(withWorkers: boolean): Promise<void> {
    const { alive } = this.watch;
    for (const address of this.schedulers.keys()) if (!alive.includes(address)) this.schedulers.delete(address);
    await Promise.all(alive.map((address) => this.askScheduler(address)));
    const { stats } = this;
    if (stats === undefined) return;
    const addresses = stats.workers.map(({ address }) => address);
    for (const address of this.workers.keys()) if (!addresses.includes(address)) this.workers.delete(address);
    for (const address of addresses) if (!this.workers.has(address)) this.workers.set(address, { retryAt: 0 });
    if (!withWorkers || addresses.length === 0) return;
    const chosen = Array.from(
      { length: Math.min(workersAtATime, addresses.length) },
      (_, i) => addresses[(this.turn + i) % addresses.length] as string,
    );
    this.turn = (this.turn + chosen.length) % addresses.length;
    await Promise.all(chosen.map((address) => this.askWorker(address)));
  }

  /** Of the scheduler that gets the tickets; undefined while it has said nothing. */
  get stats(): SchedulerReport | undefined {
    const { current } = this.watch;
    return current === undefined ? undefined : this.schedulers.get(current)?.stats;
  }

  get processes(): readonly ProcessView[] {
    const view = (role: ProcessView['role'], address: string, { report, problem }: Known): ProcessView => ({
      address,
      role,
      report,
      problem,
    });
    return [
      { address: this.bus.address, role: 'gateway', report: this.own.report() },
      ...[...this.gateways].map(([address, { report }]): ProcessView => ({ address, role: 'gateway', report })),
      ...[...this.schedulers].map(([address, known]) => view('scheduler', address, known)),
      ...[...this.workers].map(([address, known]) => view('worker', address, known)),
      ...[...this.workers.values()].flatMap(({ agents = [] }) => agents.map(agentView)),
    ];
  }

  get replicas(): readonly ReplicaView[] {
    const { stats } = this;
    if (stats === undefined) return [];
    const uses = new Map(stats.replicas.map((use) => [use.replica, use]));
    const setAside = new Set(stats.setAside);
    return stats.workers.flatMap(({ address, replicas }) =>
      replicas.map((status): ReplicaView => {
        const use = uses.get(status.replica);
        const state = setAside.has(status.replica) ? 'set aside' : use?.suspended === true ? 'suspended' : status.state;
        return { ...status, worker: address, state, credits: use?.credits ?? 0, inHand: use?.inHand ?? 0 };
      }),
    );
  }

  close(): void {
    this.hearing?.unsubscribe();
    if (this.timer !== undefined) this.sayHello(true);
    clearInterval(this.timer);
    this.own.close();
  }

  private sayHello(leaving = false): void {
    if (this.bus.state !== 'up') return;
    const hello: GatewayHello = { address: this.bus.address, leaving, process: this.own.report() };
    this.bus.broadcast(topics.gatewaysHello, encodeJson(hello));
    const before = performance.now() - silentMs;
    for (const [address, { heardAt }] of this.gateways) if (heardAt < before) this.gateways.delete(address);
  }

  private hear(body: Uint8Array): void {
    let hello: GatewayHello;
    try {
      hello = parseControl(GatewayHelloDto, body);
    } catch {
      return; // not from a gateway of this version of mserve
    }
    const { address, leaving, process } = hello;
    if (leaving) this.gateways.delete(address);
    else if (address !== this.bus.address && (this.gateways.has(address) || this.gateways.size < mostGateways))
      this.gateways.set(address, { report: process, heardAt: performance.now() });
  }

  private async askScheduler(address: string): Promise<void> {
    const known = this.schedulers.get(address) ?? { retryAt: 0 };
    this.schedulers.set(address, known);
    await this.request(known, address, statsSubjects.scheduler, (body) => {
      const stats = parseControl(SchedulerReportDto, body);
      known.stats = stats;
      return stats.process;
    });
  }

  private async askWorker(address: string): Promise<void> {
    const known = this.workers.get(address);
    if (known === undefined) return;
    await this.request(known, address, statsSubjects.worker, (body) => {
      const { agents, process } = parseControl(WorkerProcessReportDto, body);
      known.agents = agents;
      return process;
    });
  }

  private async request(known: Known, address: string, subject: string, read: (body: Uint8Array) => ProcessReport): Promise<void> {
    if (performance.now() < known.retryAt) return;
    try {
      known.report = read(await this.bus.request(address, subject, encodeJson({}), { timeoutMs: 900 }));
      known.problem = undefined;
      known.retryAt = 0;
    } catch (thrown) {
      known.problem = ServingError.from(thrown).message.slice(0, 200);
      // One that has answered before may be busy; one that never has may not be ours to ask
      known.retryAt = known.report === undefined ? performance.now() + retryMs : 0;
    }
  }
}

function agentView({ address, servable, rank, process }: AgentReport): ProcessView {
  const problem = process === undefined ? 'agents of MindSpore Serving say nothing of their processes' : undefined;
  return { address, role: 'agent', holds: `${servable} rank ${rank}`, report: process, problem };
}
