import cluster from 'node:cluster';

/** A replica of a worker, as it is told to the process that started the worker. */
export interface ReplicaReport {
  readonly servable: string;
  readonly version: number;
  readonly state: string;
  readonly error?: string | undefined;
  readonly methods: readonly string[];
}

/** What an app knows of itself that the process which started it may ask: mserve fleet. */
export interface AppFacts {
  /** It does all that it will do: replicas are ready or have failed, ports are open. Default: as `ready`. */
  readonly settled?: boolean | undefined;
  /** On the bus. */
  readonly address?: string | undefined;
  /** Bus addresses of those whose work it gives, or gives its work to, as far as they can be used: of a scheduler its workers, of a gateway the schedulers. */
  readonly knows?: readonly string[] | undefined;
  readonly rest?: string | undefined;
  readonly grpc?: string | undefined;
  readonly admin?: string | undefined;
  readonly servesDocs?: boolean | undefined;
  readonly replicas?: readonly ReplicaReport[] | undefined;
}

/** What an app says of itself. */
export interface AppReport extends AppFacts {
  /** Whether it should get work now, as /readyz says it. */
  readonly ready: boolean;
  /** Address of its operations port. */
  readonly ops?: string | undefined;
}

/**
 * What a process that started an app over an IPC channel may ask of it, as `{ ask }`. `end`: as SIGTERM, but a second one says nothing more. `report` and `alive`:
 * with an `id`; `alive` is answered as soon as the event loop turns, by the `id` alone.
 */
export const askOfApp = { report: 'mserve.report', alive: 'mserve.alive', end: 'mserve.end' } as const;

/** The answer to {@link askOfApp.report} and, without a report, to {@link askOfApp.alive}. There is no report while the app is starting: whoever asks asks again. */
export interface ReportMessage {
  /** Of the question. */
  readonly id: number;
  readonly report?: AppReport | undefined;
}

interface Question {
  readonly ask?: unknown;
  readonly id?: unknown;
}

/** Whatever else may come over an IPC channel asks for nothing. */
function questionOf(message: unknown): Question {
  return typeof message === 'object' && message !== null ? message : {};
}

/** The part of `process` that knows of its parent. */
export interface ParentHost {
  /** Undefined: this process was started without an IPC channel. */
  readonly connected?: boolean | undefined;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  once(event: 'disconnect', listener: () => void): unknown;
  send?(message: unknown, handle?: undefined, options?: undefined, callback?: (error: Error | null) => void): unknown;
}

/** Answers {@link askOfApp.alive} from now on. */
export function answerWhetherAlive(host: ParentHost): void {
  host.on('message', (message) => {
    const { ask, id } = questionOf(message);
    if (ask === askOfApp.alive && host.connected === true) host.send?.({ id }, undefined, undefined, () => undefined);
  });
}

/** Aborted when the process that started this one over an IPC channel asks it to end, or is gone. */
export function parentAsksToEnd(host: ParentHost): AbortSignal {
  const asked = new AbortController();
  if (host.connected === undefined) return asked.signal;
  const { worker } = cluster;
  // Node would end a process of a cluster at once, in the middle of its work
  worker?.once('disconnect', () => (worker.exitedAfterDisconnect = true));
  host.once('disconnect', () => asked.abort());
  host.on('message', (message) => {
    if (questionOf(message).ask === askOfApp.end) asked.abort();
  });
  // It may have gone before anybody listened here
  if (!host.connected) asked.abort();
  return asked.signal;
}

/** Answers the process that started this one over an IPC channel, if one did, when it asks for a report. */
export function reportToParent(report: () => AppReport): void {
  if (process.send === undefined) return;
  process.on('message', (message) => {
    const { ask, id } = questionOf(message);
    if (ask === askOfApp.report && process.connected) process.send?.({ id, report: report() }, undefined, undefined, () => undefined);
  });
}
