import { readFileSync, statSync } from 'node:fs';
import { TLSSocket } from 'node:tls';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import type { AppLog } from '@mserve/app';
import type { Count, MetricRegistry } from '@mserve/metrics';
import { reloadMetrics } from '@mserve/ops';
import { refusal, ServingError } from '@mserve/wire';
import type { Access, AccessOptions, Asked, Caller, Client } from '../edge/access.js';
import { AccessFileError, AccessList } from './access-list.js';

/** How often the file is looked at. A change counts when two looks in a row find the same. */
const lookMs = 1_000;
/** Of refusals, so many lines a minute are logged: who tries keys must not fill the disk. */
const mostRefusalLines = 10;
const minuteMs = 60_000;

/** Injection token of the {@link ClientAccess}; undefined = anybody may come in. */
export const accessToken = Symbol('access');

/** Reads the file of clients. Throws {@link AccessFileError}, which names the file and never what is in it. */
export function readAccessFile(file: string): AccessList {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new AccessFileError(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`);
  }
  try {
    return AccessList.parse(text);
  } catch (error) {
    throw error instanceof AccessFileError ? new AccessFileError(`${file} ${error.message}`) : error;
  }
}

/**
 * Who may come in at the public ports, by a file of clients that is read again when it changes; one that is wrong then leaves the list in use. Keys come as
 * `Authorization: Bearer KEY` or `x-api-key: KEY`; without one, the subject of a client certificate that the port verified counts.
 */
export class ClientAccess implements Access, BeforeApplicationShutdown {
  private list: AccessList;
  /** Of connections, which list found which client by its certificate. */
  private readonly bySocket = new WeakMap<object, { readonly list: AccessList; readonly client: Client | undefined }>();
  private readonly timer: NodeJS.Timeout;
  private readonly refused: Count;
  private settled: string;
  private seen: string;
  private refusalLines = 0;
  private refusalsSince = 0;

  /** Reads the file. Throws {@link AccessFileError}. */
  constructor(
    private readonly options: AccessOptions,
    private readonly log: AppLog,
    metrics: MetricRegistry,
  ) {
    this.refused = metrics.counter(reloadMetrics.failed).of(['clients']);
    this.settled = this.seen = stateOf(options.file);
    this.list = readAccessFile(options.file);
    this.timer = setInterval(() => this.look(), lookMs).unref();
  }

  admit(asked: Asked, caller: Caller): Client | ServingError | undefined {
    const { open } = this.options;
    if ((asked === 'health' && open !== 'none') || (asked === 'metadata' && open === 'metadata')) return undefined;
    const client = this.clientOf(caller);
    if (client instanceof ServingError) return this.told(client, asked, caller);
    if (asked !== 'control' || client.usesAll) return client;
    return this.told(refusal('client-not-allowed', { given: client.name, detail: 'load and unload models' }), asked, caller);
  }

  reload(): void {
    this.read(stateOf(this.options.file));
  }

  /** Nest calls it. */
  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private clientOf({ headers, socket }: Caller): Client | ServingError {
    const key = keyOf(headers);
    if (key !== undefined) return this.list.byKey(key) ?? refusal('client-unknown', { detail: 'the key is not one of a client' });
    const client = socket === undefined ? undefined : this.clientOfSocket(socket);
    return client ?? refusal('client-unknown', { detail: 'send Authorization: Bearer KEY, or x-api-key: KEY' });
  }

  private clientOfSocket(socket: object): Client | undefined {
    const { list } = this;
    const known = this.bySocket.get(socket);
    if (known?.list === list) return known.client;
    const attributes = subjectOf(socket);
    const client = attributes && list.bySubject(attributes);
    this.bySocket.set(socket, { list, client });
    return client;
  }

  private told(error: ServingError, asked: Asked, { socket }: Caller): ServingError {
    const now = performance.now();
    if (now - this.refusalsSince > minuteMs) {
      this.refusalsSince = now;
      this.refusalLines = 0;
    }
    const from = (socket as { readonly remoteAddress?: string } | undefined)?.remoteAddress;
    if (this.refusalLines++ < mostRefusalLines)
      this.log.warn({ audit: true, from, asked, reason: error.reason }, `access: ${error.message}`);
    return error;
  }

  private look(): void {
    const { file } = this.options;
    const state = stateOf(file);
    const isSettled = state === this.seen && state !== this.settled;
    this.seen = state;
    if (isSettled) this.read(state);
  }

  private read(state: string): void {
    const { file } = this.options;
    this.settled = state;
    try {
      this.list = readAccessFile(file);
      this.log.warn({ audit: true, clients: this.list.clients.length }, `access: ${file} was read again`);
    } catch (error) {
      this.refused.add();
      this.log.error({ audit: true }, `access: ${(error as Error).message}; the clients in use stay`);
    }
  }
}

/** The key in the headers; '' for one that is there and cannot be one. */
function keyOf(headers: Caller['headers']): string | undefined {
  const { authorization, 'x-api-key': apiKey } = headers;
  if (typeof authorization === 'string') return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
  if (apiKey === undefined) return undefined;
  return typeof apiKey === 'string' ? apiKey.trim() : '';
}

/** Attributes of the subject of the client's certificate, if the port verified it. */
function subjectOf(socket: object): (readonly [string, string])[] | undefined {
  const { getPeerX509Certificate, authorized } = socket as Partial<TLSSocket>;
  if (authorized !== true || typeof getPeerX509Certificate !== 'function') return undefined;
  const subject = (socket as TLSSocket).getPeerX509Certificate()?.subject;
  return subject?.split('\n').map((line) => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)] as const;
  });
}

/** Differs when the file was written or replaced, or leads elsewhere: links are followed. */
function stateOf(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
