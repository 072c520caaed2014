import { type InstanceResult, ProtobufReader, ServingError } from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from '../../edge/ingress.js';
import { clip } from '../../edge/clip.js';
import type { DecodeLimits } from '../decode-limits.js';
import { splitInputs } from '../oip/oip-inputs.js';
import { deadlineOf, firstFailure, priorityOf, stackOutputs, type OipEcho } from '../oip/oip-outputs.js';
import type { InferRequest, MethodLookup, Protocol } from '../protocol.js';
import { parametersOfMessage, requestContext } from '../request-context.js';
import { grpcStatusOf, tooLarge } from '../../edge/status.js';
import { oipText } from '../../edge/words.js';
import { readInputs, readOutline, readOutputs } from './infer-request.js';
import { inferResponse } from './infer-response.js';

/** Open Inference Protocol over gRPC: GRPCInferenceService/ModelInfer. Every error is a true gRPC status. */
export class OipGrpc implements Protocol {
  constructor(readonly limits: DecodeLimits) {}

  decode(request: IngressRequest, methods: MethodLookup): InferRequest {
    const { body } = request;
    const { maxMessageBytes } = this.limits;
    if (body.byteLength > maxMessageBytes) throw tooLarge(`Received message larger than max (${body.byteLength} vs. ${maxMessageBytes})`);
    const reader = new ProtobufReader(body);
    const outline = readOutline(reader);
    const target = methods.resolveModel(clip(outline.model), clip(outline.version));
    const inputs = readInputs(reader, outline, target, this.limits);
    const raw = outline.raw.length > 0 || outline.inputs.length === 0;
    const echo: OipEcho = { model: outline.model, id: outline.id, outputs: readOutputs(reader, outline, target), raw };
    return {
      target,
      instances: splitInputs(target, inputs, this.limits),
      echo,
      deadlineAt: deadlineOf(request.deadlineAt, outline.parameters.timeoutMicroseconds),
      priority: priorityOf(outline.parameters.priority),
      context: target.method.context && requestContext(request, target.method.context, outline.id, parametersOfMessage(body)),
    };
  }

  encode(request: IngressRequest, infer: InferRequest, results: readonly InstanceResult[]): IngressAnswer {
    const failure = firstFailure(results);
    if (failure !== undefined) return this.refuse(request, failure);
    const echo = infer.echo as OipEcho;
    try {
      return {
        token: request.token,
        kind: 'grpc',
        message: inferResponse(echo, infer.target.version, stackOutputs(infer.target, results, echo.outputs)),
      };
    } catch (thrown) {
      return this.refuse(request, ServingError.from(thrown, 'the answer could not be written'));
    }
  }

  refuse(request: IngressRequest, error: ServingError): IngressAnswer {
    return { token: request.token, kind: 'grpc-error', status: grpcStatusOf(error), message: oipText(error) };
  }
}
