import {
  isFailure,
  refusal,
  ServingError,
  unpackElements,
  type DType,
  type InstanceResult,
  type MethodSignature,
  type Tensor,
} from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from '../../edge/ingress.js';
import { checkJsonSyntax } from '../json/json-syntax.js';
import { clip } from '../../edge/clip.js';
import { floatRowText, isTooLong, nestedText, numbersOf, slicedText } from '../json/value-text.js';
import type { DecodeLimits } from '../decode-limits.js';
import { checkedInstances, commonFailure } from '../ms-tensors.js';
import { planOf } from '../plan.js';
import { requestContext } from '../request-context.js';
import type { InferRequest, MethodLookup, Protocol, ResolvedMethod } from '../protocol.js';
import { httpStatusOf, jsonAnswerHeaders, tooLarge } from '../../edge/status.js';
import { msText } from '../../edge/words.js';
import { utf8Text } from '../json/json-reader.js';
import { readBody, syntaxPrefix } from './ms-body.js';
import { parseMsUrl } from './ms-url.js';
import type { ValueContext } from './ms-value.js';

/** The original's REST API: `POST /model/{servable}[/version/{n}]:{method}` (docs/protocols.md, "ms-rest"). */
export class MsRest implements Protocol {
  constructor(
    /** true: every answer is HTTP 200, as the original does it. */
    readonly legacyStatus200: boolean,
    readonly limits: DecodeLimits,
    readonly values: ValueContext,
  ) {}

  decode(request: IngressRequest, methods: MethodLookup): InferRequest {
    const { body } = request;
    if (request.verb !== 'POST') throw refusal('verb-not-allowed', { given: clip(request.verb) });
    if (body.byteLength === 0) throw refusal('body-malformed', { detail: 'http message invalid' });
    const { maxMessageBytes, maxJsonDepth } = this.limits;
    if (body.byteLength > maxMessageBytes) throw tooLarge(`http message is bigger than ${maxMessageBytes}`);
    const target = findTarget(request, methods, maxJsonDepth);
    const method = target instanceof ServingError ? undefined : target.method;
    const slots = readBody(body, method, this.limits, this.values, request);
    // What is wrong with the body is reported before what is wrong with the name: the original looks names up last.
    if (target instanceof ServingError) throw target;
    return {
      target,
      instances: checkedInstances(slots, target),
      echo: undefined,
      deadlineAt: request.deadlineAt,
      priority: 0,
      context: target.method.context && requestContext(request, target.method.context),
    };
  }

  encode(request: IngressRequest, infer: InferRequest, results: readonly InstanceResult[]): IngressAnswer {
    const failure = commonFailure(results);
    if (failure !== undefined) return this.refuse(request, ServingError.of(failure));
    try {
      return this.#answer(request, 200, instancesText(infer.target.method, results));
    } catch (thrown) {
      return this.refuse(request, constructionError(thrown));
    }
  }

  refuse(request: IngressRequest, error: ServingError): IngressAnswer {
    // The original knows no clients: for those who may not come in there is nothing to be compatible with
    const isDenied = error.code === 'UNAUTHENTICATED' || error.code === 'PERMISSION_DENIED';
    return this.#answer(
      request,
      this.legacyStatus200 && !isDenied ? 200 : httpStatusOf(error),
      `{"error_msg":${JSON.stringify(msText(error))}}`,
    );
  }

  #answer(request: IngressRequest, status: number, body: string): IngressAnswer {
    return { token: request.token, kind: 'http', status, headers: jsonAnswerHeaders(status), body: [body] };
  }
}

/** The method that the URL names, or why it names none that can be called. A URL that cannot be read is thrown, after the syntax of the body. */
function findTarget(request: IngressRequest, methods: MethodLookup, maxJsonDepth: number): ResolvedMethod | ServingError {
  let names;
  try {
    names = parseMsUrl(request.path);
  } catch (thrown) {
    checkJsonSyntax(request.body, syntaxPrefix, maxJsonDepth);
    throw thrown;
  }
  try {
    return methods.resolve(clip(names.servable), names.version, clip(names.method));
  } catch (thrown) {
    return ServingError.from(thrown);
  }
}

function instancesText(method: MethodSignature, results: readonly InstanceResult[]): string {
  const { sortedOutputs, outputKeys } = planOf(method);
  let text = '{"instances":[';
  for (let i = 0; i < results.length; i++) {
    const result = results[i] as InstanceResult;
    if (i > 0) text += ',';
    if (isFailure(result)) {
      text += `{"error_msg":${JSON.stringify(msText(result.failure))}}`;
      continue;
    }
    text += '{';
    for (let k = 0; k < sortedOutputs.length; k++) {
      const output = sortedOutputs[k] as number;
      const tensor = result.outputs[output];
      if (tensor === undefined) throw refusal('answer-failed', { detail: `output ${method.outputs[output]?.name} is missing` });
      text += `${k > 0 ? ',' : ''}${outputKeys[output]}${tensorText(tensor)}`;
    }
    text += '}';
  }
  return `${text}]}`;
}

/** A tensor as the original writes it in JSON: nested arrays, a plain value for rank 0, bytes as `{"b64": ...}`. */
export function tensorText(tensor: Tensor): string {
  const { dtype } = tensor;
  if (dtype === 'string' || dtype === 'bytes') return textTensorText(tensor);
  const values = numbersOf(dtype, tensor.bytes);
  const texts = dtype === 'bool' ? (value: number | bigint) => (value === 0 ? 'false' : 'true') : String;
  const isFloat = dtype.includes('float');
  const row = (from: number, to: number): string => {
    if (isFloat) return floatRowText(values as Float32Array, from, to);
    let text = '';
    for (let i = from; i < to; i++) text += i === from ? texts(values[i] as number) : `,${texts(values[i] as number)}`;
    return text;
  };
  return nestedText(tensor, (from, to) => slicedText(from, to, row));
}

function textTensorText(tensor: Tensor): string {
  if (tensor.shape.length > 1)
    throw refusal('answer-failed', { detail: `reply string or bytes, shape should be 1, given shape size:${tensor.shape.length}` });
  const elements = unpackElements(tensor);
  return nestedText(tensor, (from, to) =>
    elements
      .slice(from, to)
      .map((element) => elementText(tensor.dtype, element))
      .join(),
  );
}

function elementText(dtype: DType, element: Uint8Array): string {
  const bytes = Buffer.from(element);
  if (dtype === 'bytes') return `{"b64":"${bytes.toString('base64')}"}`;
  const text = utf8Text(bytes);
  // Bytes that are no UTF-8 would turn into replacement characters: they do not come back as they were.
  if (text.includes('\ufffd') && !Buffer.from(text).equals(bytes)) throw unprintable;
  return JSON.stringify(text);
}

const unprintable = new Error('not UTF-8');

function constructionError(thrown: unknown): ServingError {
  if (isTooLong(thrown)) return refusal('answer-failed', { detail: 'Failed to construct the response: it is too long for JSON' }, thrown);
  if (!(thrown instanceof ServingError)) return refusal('answer-failed', { detail: 'Failed to construct the response' }, thrown);
  return refusal('answer-failed', { detail: `Failed to construct the response: ${thrown.message}` }, thrown);
}
