import type { IncomingMessage, ServerResponse } from 'node:http';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { Bus, Subscription } from '@mserve/bus';
import { BUS } from '@mserve/bus/nest';
import { MetricRegistry } from '@mserve/metrics';
import {
  historyLength,
  historyStepMs,
  sendJson,
  stateFormat,
  statePaths,
  type History,
  type OpsPort,
  type Sample,
  type ServableState,
  type State,
  type StateTick,
} from '@mserve/ops';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { SchedulerWatch } from '../catalog/scheduler-watch.js';
import { version } from '../edge/version.js';
import { Readiness } from '../health/readiness.js';
import { InferPath } from '../infer/infer-path.js';
import { FailureLog } from '../infer/failure-log.js';
import { FleetWatch } from './fleet-watch.js';
import { Recorder } from './recorder.js';

/** Pages and terminals that look at the same time. */
const mostStreams = 32;
/** After a look, workers' processes are asked for so long. */
const watchedMs = 15_000;
/** Who does not read gets nothing more, and is cut off. */
const mostUnreadBytes = 8 * 1024 * 1024;

/** Addresses of the ports, for the page. */
export type StatePorts = StateTick['ports'];

/** The state of the fleet at a gateway's operations port: `/state`, and `/state/events` as server-sent events. It records from {@link begin} on. */
@Injectable()
export class StateFeed implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly streams = new Set<ServerResponse>();
  private readonly fleet: FleetWatch;
  private recorder: Recorder | undefined;
  private timer: NodeJS.Timeout | undefined;
  private catalogWatch: Subscription | undefined;
  private lastLookAt = -Infinity;
  private batches: { readonly count: number; readonly instances: number } | undefined;
  private ports: () => StatePorts = () => ({ tls: false });
  private isAsking = false;
  private last: Sample = emptySample;

  constructor(
    @Inject(BUS) private readonly bus: Bus,
    @Inject(MethodCatalog) private readonly catalog: MethodCatalog,
    @Inject(SchedulerWatch) schedulers: SchedulerWatch,
    @Inject(MetricRegistry) private readonly registry: MetricRegistry,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(InferPath) private readonly path: InferPath,
    @Inject(FailureLog) private readonly failures: FailureLog,
  ) {
    this.fleet = new FleetWatch(bus, schedulers);
  }

  /** Nest calls it. A server that is one process is a fleet of its own. */
  onApplicationBootstrap(): void {
    if (!this.isEmbedded) this.fleet.begin();
  }

  private get isEmbedded(): boolean {
    return this.bus.maxMessageBytes === Infinity;
  }

  /** Begins to record, and to answer at the port. Once. */
  begin(port: OpsPort, ports: () => StatePorts): void {
    this.ports = ports;
    this.failures.isOn = true;
    this.recorder = new Recorder(this.registry, this.failures);
    this.timer = setInterval(() => void this.tick(), historyStepMs).unref();
    this.catalogWatch = this.catalog.onUpdate(() => this.tell('servables', this.servables()));
    port.mount(statePaths.snapshot, (request, response) => void this.answerSnapshot(request, response));
    port.mount(statePaths.events, (request, response) => this.answerEvents(request, response));
  }

  /** Nest calls it. */
  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
    this.catalogWatch?.unsubscribe();
    for (const stream of this.streams) stream.end();
    this.fleet.close();
  }

  private async answerSnapshot(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET') return sendJson(response, 405, { error: 'only GET is answered' });
    this.lastLookAt = performance.now();
    await this.fleet.ask(true);
    sendJson(response, 200, { ...this.now(), servables: this.servables(), history: this.history() } satisfies State);
  }

  private answerEvents(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'GET') return sendJson(response, 405, { error: 'only GET is answered' });
    if (this.streams.size >= mostStreams)
      return sendJson(response, 503, { error: `${mostStreams} pages and terminals look already: close one` });
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
    response.on('error', () => this.streams.delete(response));
    this.lastLookAt = performance.now();
    response.write(`retry: 1000\n${eventText('servables', this.servables())}${eventText('history', this.history())}`);
    void this.fleet.ask(true).then(() => response.writable && response.write(eventText('tick', this.now())));
  }

  private async tick(): Promise<void> {
    // An answer may take longer than a second: nobody is asked twice at a time
    if (!this.isAsking) {
      this.isAsking = true;
      await this.fleet.ask(this.streams.size > 0 || performance.now() - this.lastLookAt < watchedMs);
      this.isAsking = false;
    }
    const { stats } = this.fleet;
    if (this.recorder === undefined) return;
    this.last = this.recorder.record(Date.now(), {
      inHand: this.path.inHand,
      queued: stats?.queued ?? 0,
      running: stats?.running ?? 0,
      batch: this.meanBatch(),
    });
    if (this.streams.size > 0) this.tell('tick', this.now());
  }

  /** Of the batches since the last sample. */
  private meanBatch(): number | null {
    const { stats } = this.fleet;
    const before = this.batches;
    if (stats === undefined) return null;
    this.batches = { count: stats.batches, instances: stats.batches * stats.averageBatchSize };
    const count = this.batches.count - (before?.count ?? this.batches.count);
    if (before === undefined || count <= 0) return null;
    return Number(((this.batches.instances - before.instances) / count).toPrecision(4));
  }

  private now(): StateTick {
    return {
      format: stateFormat,
      at: Date.now(),
      version,
      ready: this.readiness.isReady,
      bus: { kind: this.isEmbedded ? 'memory' : 'nats', state: this.bus.state, address: this.bus.address },
      ports: this.ports(),
      replicas: this.fleet.replicas,
      queues: this.fleet.stats?.queues ?? [],
      processes: this.fleet.processes,
      failures: this.failures.latest.slice(0, 30),
      failuresByReason: Object.fromEntries(this.recorder?.failures ?? []),
      sample: this.last,
    };
  }

  private history(): History {
    return { stepMs: historyStepMs, samples: this.recorder?.samples.slice(-historyLength) ?? [] };
  }

  private servables(): readonly ServableState[] {
    const listed = this.catalog.all.map(({ signature, readyReplicas }): ServableState => ({
      servable: signature.servable,
      version: signature.version,
      state: readyReplicas > 0 ? 'ready' : 'unavailable',
      readyReplicas,
      methods: signature.methods,
    }));
    const isListed = (servable: string, number: number): boolean =>
      listed.some((other) => other.servable === servable && (number === 0 || other.version === number));
    const loading = this.catalog.loadingVersions
      .filter((one) => !isListed(one.servable, one.version))
      .map((one): ServableState => ({ ...one, state: 'loading', readyReplicas: 0, methods: [] }));
    return [...listed, ...loading].sort((a, b) => (a.servable < b.servable ? -1 : a.servable > b.servable ? 1 : b.version - a.version));
  }

  private tell(event: string, body: object): void {
    if (this.streams.size === 0) return;
    const text = eventText(event, body);
    for (const stream of this.streams) {
      if (stream.writableLength > mostUnreadBytes) stream.destroy();
      else stream.write(text);
    }
  }
}

const emptySample: Sample = {
  at: 0,
  ...{ ok: 0, failed: 0, p50: null, p90: null, p99: null },
  ...{ inHand: 0, queued: 0, running: 0, batch: null, methods: {}, failures: {} },
};

/** JSON has no line end. */
function eventText(event: string, body: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(body)}\n\n`;
}
