import { ProtobufReader, refusal, type ContextSignature, type RequestContext } from '@mserve/wire';
import type { IngressRequest } from '../edge/ingress.js';
import { requestIdOf } from '../edge/request-id.js';

/** Parameters travel with tickets, which stay small. */
const mostParameterBytes = 64 * 1024;
const longestId = 1024;

/**
 * What functions get to know of a request. `id`: that the protocol has; '' = the request id of the answer (see requestIdOf). `parameters`: JSON text of an object; '' = none.
 * Headers that came several times are one text, joined as the ingress joins them.
 */
export function requestContext(request: IngressRequest, wanted: ContextSignature, id = '', parameters = ''): RequestContext {
  if (parameters.length > mostParameterBytes)
    throw refusal('parameter-malformed', { detail: `the parameters of the request have more than ${mostParameterBytes} characters` });
  const found: Record<string, string> = {};
  for (const name of wanted.headers) {
    const value = request.headers[name];
    if (value !== undefined) found[name] = value;
  }
  return {
    id: (id === '' ? requestIdOf(request.headers['x-request-id'], request.token) : id).slice(0, longestId),
    headers: JSON.stringify(found),
    parameters,
  };
}

/** The parameters of an infer request in JSON, from their part of its body: an object whose strings, numbers and booleans count. */
export function parametersOfJson(body: Uint8Array, from: number, to: number): string {
  if (from === to) return '';
  let given: unknown;
  try {
    given = JSON.parse(Buffer.from(body.buffer, body.byteOffset + from, to - from).toString());
  } catch {
    throw refusal('parameter-malformed', { detail: 'the parameters of the request are not JSON' });
  }
  const kept = Object.entries(given as Record<string, unknown>).filter(([, value]) => /^(?:string|number|boolean)$/.test(typeof value));
  return JSON.stringify(Object.fromEntries(kept));
}

/** The parameters of a ModelInferRequest (field 4, a map of InferParameter). Numbers beyond 2^53 lose digits. Throws ProtobufError. */
export function parametersOfMessage(body: Uint8Array): string {
  const reader = new ProtobufReader(body);
  const found: [string, string | number | boolean][] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag !== 0x22) {
      reader.skip(tag);
      continue;
    }
    const outer = reader.open();
    const entry = readEntry(reader);
    reader.close(outer);
    if (entry !== undefined) found.push(entry);
  }
  return found.length === 0 ? '' : JSON.stringify(Object.fromEntries(found));
}

function readEntry(reader: ProtobufReader): [string, string | number | boolean] | undefined {
  let key = '';
  let value: string | number | boolean | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x0a) key = reader.string();
    else if (tag === 0x12) {
      const outer = reader.open();
      value = readValue(reader);
      reader.close(outer);
    } else reader.skip(tag);
  }
  return value === undefined ? undefined : [key, value];
}

/** bool_param 1, int64_param 2, string_param 3, double_param 4, uint64_param 5. */
function readValue(reader: ProtobufReader): string | number | boolean | undefined {
  let value: string | number | boolean | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x08) value = reader.varint() !== 0;
    else if (tag === 0x10) value = reader.signed();
    else if (tag === 0x1a) value = reader.string();
    else if (tag === 0x21) value = reader.double();
    else if (tag === 0x28) value = reader.varint();
    else reader.skip(tag);
  }
  return value;
}
