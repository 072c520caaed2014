import { ServingError, type InstanceResult, type Tensor } from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from '../../edge/ingress.js';
import { createProtocols } from '../index.js';
import type { InferRequest } from '../protocol.js';
import { FakeCatalog, method, named, rawRequest } from './fake-catalog.js';

/** The methods of servable `m`. */
export const catalog = new FakeCatalog('m', [
  method(
    'predict',
    [
      { name: 'a', dtype: 'float32', shape: [2] },
      { name: 'b', dtype: 'int32', shape: [-1] },
    ],
    named('y'),
  ),
  method('any', named('x'), named('y', 'z')),
  method('raw', [{ name: 'x', dtype: 'bytes' }], named('y')),
  method('text', [{ name: 'x', dtype: 'string' }], named('y')),
  method('whole', named('x'), named('y'), false),
]);
/** Bodies of at most 1 MiB. */
export const protocol = createProtocols({ maxMessageBytes: 1 << 20 })['oip-rest'];

/** How a request is sent, where it differs from a plain one. */
export interface Sent {
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly verb?: string;
}

/** A request with this body: bytes, text, or a value that becomes JSON. */
export function request(body: unknown, { path = '/v2/models/m.any/infer', ...rest }: Sent = {}): IngressRequest {
  return rawRequest('oip-rest', path, body instanceof Uint8Array ? body : typeof body === 'string' ? body : JSON.stringify(body), rest);
}

export function decode(body: unknown, sent?: Sent): InferRequest {
  return protocol.decode(request(body, sent), catalog);
}

/** The one input of a method with one instance. */
export function tensorOf(body: unknown, sent?: Sent): Tensor {
  return decode(body, sent).instances[0]?.[0] as Tensor;
}

/** What the client of a request that must not be taken is told. */
export function refusal(body: unknown, sent?: Sent): { status: number; error: string } {
  try {
    decode(body, sent);
  } catch (thrown) {
    if (!(thrown instanceof ServingError)) throw thrown;
    return shown(protocol.refuse(request(body, sent), thrown)) as { status: number; error: string };
  }
  throw new Error('the request was accepted');
}

/** An answer as its client reads it. */
export function shown(answer: IngressAnswer): { status: number } & Record<string, unknown> {
  if (answer.kind !== 'http') throw new Error('not HTTP');
  const parts = answer.body.map((part) => Buffer.from(part));
  const jsonBytes = answer.headers['inference-header-content-length'];
  const whole = Buffer.concat(parts);
  const json = jsonBytes === undefined ? whole : whole.subarray(0, Number(jsonBytes));
  return {
    status: answer.status,
    ...(JSON.parse(json.toString()) as object),
    ...(jsonBytes === undefined ? {} : { rest: whole.subarray(Number(jsonBytes)) }),
  };
}

/** The answer to a request, given the outputs of each instance. */
export function encode(body: unknown, outputs: readonly (readonly Tensor[])[], sent?: Sent): ReturnType<typeof shown> {
  const raw = request(body, sent);
  return shown(
    protocol.encode(
      raw,
      protocol.decode(raw, catalog),
      outputs.map((each): InstanceResult => ({ outputs: each })),
    ),
  );
}

export const int = (...values: number[]): Tensor => ({
  dtype: 'int32',
  shape: [values.length],
  bytes: new Uint8Array(Int32Array.from(values).buffer),
});
export const input = (datatype: string, shape: number[], data: unknown): unknown => ({ inputs: [{ name: 'x', shape, datatype, data }] });
export const one = input('INT32', [1, 1], [1]);
