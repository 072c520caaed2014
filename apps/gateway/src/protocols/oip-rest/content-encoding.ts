import { gunzipSync, inflateSync } from 'node:zlib';
import { clip } from '../json/json-syntax.js';
import { invalid } from '../oip/oip-inputs.js';
import { EdgeError, tooLarge } from '../status.js';

/**
 * The body without its Content-Encoding (gzip, deflate, identity). Never makes more than `maxBytes`: over it ServingError
 * RESOURCE_EXHAUSTED (413). Other encodings are 415, broken ones INVALID_ARGUMENT.
 */
export function inflatedBody(body: Uint8Array, encoding: string | undefined, maxBytes: number): Uint8Array {
  if (encoding === undefined || encoding === '' || encoding === 'identity') return body;
  const name = encoding.trim().toLowerCase();
  if (name === 'identity') return body;
  if (name !== 'gzip' && name !== 'deflate') {
    throw new EdgeError('INVALID_ARGUMENT', 415, `content-encoding '${clip(encoding)}' is not supported, gzip, deflate and identity are`);
  }
  try {
    return (name === 'gzip' ? gunzipSync : inflateSync)(body, { maxOutputLength: maxBytes });
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(`the inflated body is bigger than ${maxBytes} bytes`);
    throw invalid(`the body is not ${name}`);
  }
}
