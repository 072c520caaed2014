import type { FieldSink } from './hpack-decoder.js';

/** Fields by their names in lower case, those of HTTP/2 (`:path`) among them. Values of one name are joined as HTTP says, but for fields that have one value only: the first. */
export type RequestHeaders = Readonly<Record<string, string | undefined>>;

/** Of one header block; over it the stream is refused. */
export interface FieldLimits {
  /** Names and values, and 32 bytes for each field. */
  readonly maxFieldBytes: number;
  /** Fields, those of HTTP/2 included. */
  readonly maxFields: number;
}

/** What a header block is: fields, or why it cannot be one of a request. */
export type HeaderBlock = RequestHeaders | 'malformed' | 'too-large';

/** Have one value only. */
const single = new Set([
  'content-type',
  'content-length',
  'grpc-timeout',
  'grpc-encoding',
  'authorization',
  'host',
  'user-agent',
  'x-request-id',
]);

/** Belong to a connection of HTTP/1 (RFC 9113, 8.2.2). */
const ofConnection = new Set(['connection', 'http2-settings', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

const pseudo = new Set([':method', ':scheme', ':authority', ':path']);

/** Of a field name after its first byte: no upper case, nothing that is no visible ASCII, no colon (8.2.1). */
const properName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** Neither NUL nor line ends, and no blanks around it (8.2.1). */
const improperValue = /[\0\r\n]|^[ \t]|[ \t]$/;

/** Collects the fields of one header block at a time. */
export class FieldCollector implements FieldSink {
  private headers: Record<string, string> = Object.create(null) as Record<string, string>;
  private bytes = 0;
  private fields = 0;
  private isMalformed = false;
  private hasRegular = false;

  constructor(private readonly limits: FieldLimits) {}

  field(name: string, value: string): void {
    this.fields++;
    this.bytes += name.length + value.length + 32;
    if (this.isMalformed || this.bytes > this.limits.maxFieldBytes || this.fields > this.limits.maxFields) return;
    if (name.charCodeAt(0) === 0x3a) {
      if (this.hasRegular || !pseudo.has(name) || name in this.headers) this.isMalformed = true;
    } else {
      this.hasRegular = true;
      if (!properName.test(name) || ofConnection.has(name) || (name === 'te' && value !== 'trailers')) this.isMalformed = true;
    }
    if (improperValue.test(value)) this.isMalformed = true;
    const before = this.headers[name];
    if (before === undefined) this.headers[name] = value;
    else if (!single.has(name)) this.headers[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
  }

  /** What the block was; the next one can be collected. `isTrailers`: it follows the body of a request. */
  finish(isTrailers: boolean): HeaderBlock {
    const { headers, bytes, fields, isMalformed, limits } = this;
    this.headers = Object.create(null) as Record<string, string>;
    this.bytes = 0;
    this.fields = 0;
    this.isMalformed = false;
    this.hasRegular = false;
    if (isMalformed) return 'malformed';
    if (bytes > limits.maxFieldBytes || fields > limits.maxFields) return 'too-large';
    if (isTrailers)
      return ':method' in headers || ':path' in headers || ':scheme' in headers || ':authority' in headers ? 'malformed' : headers;
    return isRequest(headers) ? headers : 'malformed';
  }
}

/** Names what it asks for; a tunnel (CONNECT) asks for nothing of ours, and has neither scheme nor path (8.3.1, 8.5). */
function isRequest(headers: RequestHeaders): boolean {
  const { ':method': method = '', ':scheme': scheme = '', ':path': path = '' } = headers;
  return method !== '' && method !== 'CONNECT' && scheme !== '' && (path.startsWith('/') || path === '*');
}
