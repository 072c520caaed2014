import type { MethodSignature } from '@mserve/wire';
import { inferBody, type ReadInput } from './input.js';
import { joined, readTensor, type Tensor } from './tensor.js';

/** What became of a call. */
export type Outcome =
  | { readonly kind: 'answer'; readonly tensors: readonly Tensor[]; readonly milliseconds: number; readonly requestId: string | undefined }
  | { readonly kind: 'error'; readonly status: number; readonly text: string; readonly requestId: string | undefined };

interface ListedOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters?: { readonly binary_data_size?: number } | undefined;
}

function isOutput(value: unknown): value is ListedOutput {
  if (typeof value !== 'object' || value === null) return false;
  const { name, datatype, shape } = value as Record<string, unknown>;
  return typeof name === 'string' && typeof datatype === 'string' && Array.isArray(shape) && shape.every((dim) => typeof dim === 'number');
}

/** The outputs in an answer whose JSON is followed by their bytes. Throws Error for what is none. */
function readAnswer(body: Uint8Array, headerLength: number): readonly Tensor[] {
  const answer = JSON.parse(new TextDecoder().decode(body.subarray(0, headerLength))) as { outputs?: unknown };
  if (!Array.isArray(answer.outputs) || !answer.outputs.every(isOutput)) throw new Error('the answer has no outputs');
  let at = headerLength;
  return answer.outputs.map(({ name, datatype, shape, parameters }) => {
    const size = parameters?.binary_data_size ?? 0;
    const tensor = readTensor(name, datatype, shape, body.subarray(at, at + size));
    at += size;
    return tensor;
  });
}

/**
 * Calls a method through the operations port, which hands the request on to the REST port: so the page needs no other origin, and the REST port no page
 * that may read its answers. Never rejects.
 */
export async function infer(servable: string, version: number, method: MethodSignature, inputs: readonly ReadInput[]): Promise<Outcome> {
  const { json, binary } = inferBody(inputs, method.batched);
  const header = new TextEncoder().encode(json);
  const path = `/dashboard/rest/v2/models/${encodeURIComponent(`${servable}.${method.name}`)}/versions/${version}/infer`;
  const headers = { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(header.byteLength) };
  const began = performance.now();
  try {
    const response = await fetch(path, { method: 'POST', headers, body: joined([header, ...binary]) });
    const body = new Uint8Array(await response.arrayBuffer());
    const milliseconds = performance.now() - began;
    const requestId = response.headers.get('x-request-id') ?? undefined;
    if (!response.ok) return { kind: 'error', status: response.status, text: errorText(body), requestId };
    const length = response.headers.get('inference-header-content-length');
    return { kind: 'answer', tensors: readAnswer(body, length === null ? body.byteLength : Number(length)), milliseconds, requestId };
  } catch (thrown) {
    return { kind: 'error', status: 0, text: thrown instanceof Error ? thrown.message : String(thrown), requestId: undefined };
  }
}

/** What a body says in `error`, else the body itself. */
export function errorText(body: Uint8Array): string {
  const text = new TextDecoder().decode(body);
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : text;
  } catch {
    return text;
  }
}
