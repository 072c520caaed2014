import type { IncomingHttpHeaders } from 'node:http';
import { refusal, type ServingError } from '@mserve/wire';
import { clip } from '../edge/clip.js';
import { tooLarge } from '../edge/status.js';
import type { Compression, InflateErrors } from './body-inflater.js';
import type { InferRoute } from '../edge/ingress.js';

/** The infer route of a request path, or undefined when it is none (then the request is for Nest). */
export function httpInferRoute(url: string): InferRoute | undefined {
  if (url.startsWith('/model')) {
    // '/model' alone and '/model:x' are the original's too: its own texts say what is missing; '/models' is not
    const next = url.charCodeAt(6);
    return Number.isNaN(next) || next === 0x2f || next === 0x3a || next === 0x3f ? 'ms-rest' : undefined;
  }
  if (!url.startsWith('/v2/models/')) return undefined;
  const query = url.indexOf('?');
  const path = query < 0 ? url.length : query;
  const end = url.charCodeAt(path - 1) === 0x2f ? path - 1 : path;
  return url.startsWith('/infer', end - 6) && end - 6 > '/v2/models/'.length ? 'oip-rest' : undefined;
}

const otherApiPath = /^\/+v2|^\/v1\/models(?:[/:?]|$)|^\/(?:healthz|livez|readyz|ping|docs|openapi\.json)(?:[/?]|$)/i;

/**
 * The route of a POST that is for nobody else: the original takes every POST to its REST port for a call, and says what the path lacks.
 * Undefined for paths of the Open Inference Protocol, of health and of the documentation, where Nest has routes of its own, and for what is nearly such a path or TensorFlow Serving's:
 * Nest's 404 says what is meant.
 */
export function unroutedPostRoute(verb: string | undefined, url: string): InferRoute | undefined {
  return verb === 'POST' && !otherApiPath.test(url) ? 'ms-rest' : undefined;
}

/** When the client stops waiting, on performance.now()'s clock: header `x-request-timeout-ms`; Infinity without one, undefined for one that is no number. */
export function httpDeadlineAt(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['x-request-timeout-ms'];
  if (typeof text !== 'string' || text === '') return Infinity;
  const timeoutMs = Number(text);
  return Number.isFinite(timeoutMs) ? performance.now() + timeoutMs : undefined;
}

/** More than one Host header: what node:http lets through and intermediaries disagree about. */
export function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1;
}

/** Content types of formats that an infer request is never in. Anything else is read as JSON: curl -d says form-urlencoded, fetch says text/plain. */
const otherFormat =
  /^(?:multipart|image|audio|video|font|model|message)\/|^text\/(?!plain$|json$|x-json$|javascript$)|[/+](?:xml|yaml|x-yaml|cbor|msgpack|x-msgpack|vnd\.msgpack|zip|gzip|pdf|protobuf|x-protobuf|proto|grpc.*|x-ndjson|jsonlines|x-tar|x-npy|vnd\.apache\..*)$/;

/** Whether the Open Inference Protocol reads such a body: JSON under any name (also none), JSON with binary tensors; not what is named as another format. */
export function isInferContentType(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType === 'application/json' || contentType === 'application/octet-stream') return true;
  const semicolon = contentType.indexOf(';');
  const type = (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
  return !otherFormat.test(type);
}

/** What a Content-Encoding says is to be undone: undefined for nothing, an error (415) for one that is unknown. */
export function httpCompression(encoding: string | undefined): Compression | ServingError | undefined {
  if (encoding === undefined || encoding === '') return undefined;
  const name = encoding.trim().toLowerCase();
  if (name === 'gzip' || name === 'deflate') return name;
  if (name === 'identity') return undefined;
  return refusal('content-unsupported', {
    detail: `content-encoding '${clip(encoding)}' is not supported, gzip, deflate and identity are`,
  });
}

/** The refusal of a body that cannot be inflated, over REST. */
export const httpInflateErrors: InflateErrors = {
  tooLarge: (maxBytes) => tooLarge(`the inflated body is bigger than ${maxBytes} bytes`),
  broken: (compression) => refusal('compression-broken', { expected: compression }),
};
