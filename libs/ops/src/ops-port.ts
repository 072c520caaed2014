import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { HostCheck, listenForOperators, type AppLog } from '@mserve/app';
import type { MetricRegistry } from '@mserve/metrics';
import { ProcessMetrics } from './process-metrics.js';
import { prometheusContentType, prometheusText, type MetricsCompat } from './prometheus-text.js';

/** What an operations port tells, and where. */
export interface OpsOptions {
  /** `host:port`; port 0 = any free one. */
  readonly address: string;
  /** Names of this machine that the Host header may have beside those that HostCheck knows. */
  readonly hosts?: readonly string[] | undefined;
  /** What `/metrics` shows. From the opening of the port on it is read. */
  readonly metrics: MetricRegistry;
  /** Default: none. */
  readonly compat?: MetricsCompat | undefined;
  /** Whether the process should get work now: `/readyz`. */
  readonly isReady: () => boolean;
  readonly log: AppLog;
}

/** Answers requests for a path of the operations port. Must not throw. */
export type OpsHandler = (request: IncomingMessage, response: ServerResponse) => void;

const maxConnections = 64;
const limits = { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 30_000, maxHeaderSize: 16_384 };

/**
 * The operations port of a process: `/metrics`, `/livez`, `/readyz`, and what others {@link mount} here. It is for operators: no more than 64 connections,
 * GET and HEAD only on its own paths, and only Host headers that name this address (see HostCheck).
 */
export class OpsPort {
  private readonly handlers = new Map<string, OpsHandler>();
  private readonly check: HostCheck;
  private process: ProcessMetrics | undefined;
  private readonly server: Server;
  private bound = '';

  private constructor(private readonly options: OpsOptions) {
    this.check = new HostCheck(options.address, options.hosts ?? [], '--ops-hosts names further hosts');
    this.server = createServer(limits, (request, response) => this.answer(request, response));
    this.server.maxConnections = maxConnections;
    this.mountOwn('/livez', (response) => sendText(response, 200, 'ok'));
    this.mountOwn('/readyz', (response) => (options.isReady() ? sendText(response, 200, 'ok') : sendText(response, 503, 'not ready')));
    this.mountOwn('/metrics', (response) =>
      sendText(response, 200, prometheusText(options.metrics, options.compat), prometheusContentType),
    );
  }

  /** Opens the port. Rejects with ServingError UNAVAILABLE when the address cannot be had, INVALID_ARGUMENT when it is none. */
  static async open(options: OpsOptions): Promise<OpsPort> {
    const port = new OpsPort(options);
    port.bound = await listenForOperators(port.server, 'operations', options.address);
    // Not before: metrics that nobody can ask for cost nothing
    options.metrics.isRead = true;
    port.process = new ProcessMetrics(options.metrics, options.log);
    options.log.info({ address: port.bound }, 'the operations port is open');
    return port;
  }

  /** Address bound, `host:port`. */
  get address(): string {
    return this.bound;
  }

  /** `path` begins with `/`. With a `/` at its end, all paths below are meant, too. A handler of a longer path goes before one of a shorter. */
  mount(path: string, handler: OpsHandler): void {
    this.handlers.set(path, handler);
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    this.process?.close();
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const denial = this.check.denial(request.headers.host);
    if (denial !== undefined) return sendText(response, denial.status, denial.error);
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const handler = this.handlerOf(path);
    if (handler === undefined)
      return sendText(response, 404, `there is no ${path.slice(0, 100)} here; there are ${[...this.handlers.keys()].join(', ')}`);
    try {
      handler(request, response);
    } catch (thrown) {
      this.options.log.error({ err: thrown, path }, 'a request to the operations port failed');
      if (!response.headersSent) sendText(response, 500, 'internal error');
      else response.destroy();
    }
  }

  /** One of the paths that are only read. */
  private mountOwn(path: string, answer: (response: ServerResponse) => void): void {
    this.mount(path, ({ method }, response) => {
      if (method === 'GET' || method === 'HEAD') return answer(response);
      response.setHeader('allow', 'GET, HEAD');
      sendText(response, 405, 'only GET and HEAD are answered');
    });
  }

  private handlerOf(path: string): OpsHandler | undefined {
    const exact = this.handlers.get(path);
    if (exact !== undefined) return exact;
    for (let end = path.lastIndexOf('/'); end >= 0; end = end === 0 ? -1 : path.lastIndexOf('/', end - 1)) {
      const below = this.handlers.get(path.slice(0, end + 1));
      if (below !== undefined) return below;
    }
    return undefined;
  }
}

function sendText(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  response.end(text);
}

/** A JSON body for the asker of an operations port. */
export function sendJson(response: ServerResponse, status: number, body: object): void {
  sendText(response, status, JSON.stringify(body), 'application/json');
}
