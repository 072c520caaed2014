import { refusal, ServingError, type InstanceResult } from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from '../../edge/ingress.js';
import { clip } from '../../edge/clip.js';
import type { ElementSinks } from '../json/element-sinks.js';
import type { DecodeLimits } from '../decode-limits.js';
import { splitInputs } from '../oip/oip-inputs.js';
import { deadlineOf, firstFailure, priorityOf, stackOutputs, type OipEcho } from '../oip/oip-outputs.js';
import type { InferRequest, MethodLookup, Protocol } from '../protocol.js';
import { parametersOfJson, requestContext } from '../request-context.js';
import { httpStatusOf, jsonAnswerHeaders, tooLarge } from '../../edge/status.js';
import { oipText } from '../../edge/words.js';
import { inferAnswer } from './oip-answer.js';
import { readInferBody } from './oip-body.js';
import { rawBody } from './oip-raw.js';
import { parseInferUrl } from './oip-url.js';

/** Triton's header: the length of the JSON at the start of a body with binary tensors behind it. */
const jsonLengthHeader = 'inference-header-content-length';

/** Open Inference Protocol over REST: `POST /v2/models/{model}[/versions/{version}]/infer`, with the binary tensor extension. */
export class OipRest implements Protocol {
  constructor(
    readonly limits: DecodeLimits,
    readonly sinks: ElementSinks,
  ) {}

  decode(request: IngressRequest, methods: MethodLookup): InferRequest {
    if (request.verb !== 'POST') throw refusal('verb-not-allowed', { given: clip(request.verb) });
    const { model, version } = parseInferUrl(request.path);
    const target = methods.resolveModel(model, version);
    const { headers, body } = request;
    const { maxMessageBytes } = this.limits;
    if (body.byteLength > maxMessageBytes) throw tooLarge(`the body has ${body.byteLength} bytes, at most ${maxMessageBytes} are allowed`);
    if (body.byteLength === 0) throw refusal('body-malformed', { detail: 'the body is empty' });
    const jsonLength = jsonLengthOf(headers[jsonLengthHeader], body.byteLength);
    const json = jsonLength === undefined ? body : body.subarray(0, jsonLength);
    const binary = jsonLength === undefined ? undefined : body.subarray(jsonLength);
    const said = jsonLength === 0 ? rawBody(body, target) : readInferBody(json, binary, target, this.limits, this.sinks, request);
    const echo: OipEcho = { model, id: said.id, outputs: said.outputs, raw: false };
    return {
      target,
      instances: splitInputs(target, said.inputs, this.limits),
      echo,
      deadlineAt: deadlineOf(request.deadlineAt, said.timeoutMicroseconds),
      priority: priorityOf(said.priority),
      context:
        target.method.context &&
        requestContext(request, target.method.context, said.id, parametersOfJson(json, said.parametersFrom, said.parametersTo)),
    };
  }

  encode(request: IngressRequest, infer: InferRequest, results: readonly InstanceResult[]): IngressAnswer {
    const failure = firstFailure(results);
    if (failure !== undefined) return this.refuse(request, failure);
    const echo = infer.echo as OipEcho;
    try {
      const { body, jsonBytes } = inferAnswer(infer.target, echo, stackOutputs(infer.target, results, echo.outputs));
      const headers =
        jsonBytes === undefined
          ? jsonAnswerHeaders(200)
          : { 'content-type': 'application/octet-stream', [jsonLengthHeader]: `${jsonBytes}` };
      return { token: request.token, kind: 'http', status: 200, headers, body };
    } catch (thrown) {
      return this.refuse(request, ServingError.from(thrown, 'the answer could not be written'));
    }
  }

  refuse(request: IngressRequest, error: ServingError): IngressAnswer {
    const status = httpStatusOf(error);
    return {
      token: request.token,
      kind: 'http',
      status,
      headers: jsonAnswerHeaders(status),
      body: [`{"error":${JSON.stringify(oipText(error))}}`],
    };
  }
}

/** The header's number, or undefined when it was not sent. 0: the body is the bytes of the only input. */
function jsonLengthOf(text: string | undefined, bodyBytes: number): number | undefined {
  if (text === undefined) return undefined;
  const length = /^[0-9]{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(length <= bodyBytes))
    throw refusal('header-malformed', {
      detail: `${jsonLengthHeader} is '${clip(text)}', it must be from 0 to the ${bodyBytes} bytes of the body`,
    });
  return length;
}
