import { isFailure, stringTensor, unpackElements, type ServingError, type InstanceResult } from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from '../edge/ingress.js';
import { grpcStatusOf, httpStatusOf } from '../edge/status.js';
import type { InferRequest, MethodLookup, Protocol, Protocols } from '../protocols/protocol.js';

/** The simplest protocol: body `servable method text|text|...`, each text an instance; the answer is `text|text|...`. Refusals are `code: message`. */
class PlainProtocol implements Protocol {
  decode(request: IngressRequest, methods: MethodLookup): InferRequest {
    const [servable = '', method = '', texts = ''] = Buffer.from(request.body).toString().split(' ');
    if (servable === 'bug') throw new TypeError('a bug in the codec');
    return {
      target: methods.resolve(servable, 0, method),
      instances: texts.split('|').map((text) => [stringTensor(text)]),
      echo: undefined,
      deadlineAt: request.deadlineAt,
      priority: 0,
      context: undefined,
    };
  }

  encode(request: IngressRequest, _infer: InferRequest, results: readonly InstanceResult[]): IngressAnswer {
    const text = results.map((result) => (isFailure(result) ? `!${result.failure.message}` : textOf(result))).join('|');
    if (text === 'unencodable') throw new TypeError('a bug in the codec');
    return request.route.endsWith('grpc')
      ? { token: request.token, kind: 'grpc', message: [Buffer.from(text)] }
      : {
          token: request.token,
          kind: 'http',
          status: 200,
          headers: { 'content-type': text === 'unwritable' ? 'text/\nplain' : 'text/plain' },
          body: [text],
        };
  }

  refuse(request: IngressRequest, error: ServingError): IngressAnswer {
    if (request.headers['x-bug'] === 'refuse') throw new TypeError('a bug in the codec');
    const message = `${error.code}: ${error.message}`;
    if (request.route.endsWith('grpc')) return { token: request.token, kind: 'grpc-error', status: grpcStatusOf(error), message };
    return {
      token: request.token,
      kind: 'http',
      status: httpStatusOf(error),
      headers: { 'content-type': 'text/plain' },
      body: [message],
    };
  }
}

function textOf(result: Exclude<InstanceResult, { failure: unknown }>): string {
  const [tensor] = result.outputs;
  return tensor === undefined ? '' : Buffer.from(unpackElements(tensor)[0] as Uint8Array).toString();
}

const plain = new PlainProtocol();

/** All four routes speak it. */
export const plainProtocols: Protocols = { 'ms-rest': plain, 'ms-grpc': plain, 'oip-rest': plain, 'oip-grpc': plain };
