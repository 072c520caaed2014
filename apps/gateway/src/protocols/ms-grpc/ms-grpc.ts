import { ProtobufReader, refusal, ServingError, type InstanceResult } from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from '../../edge/ingress.js';
import type { DecodeLimits } from '../decode-limits.js';
import { commonFailure } from '../ms-tensors.js';
import type { InferRequest, MethodLookup, Protocol, ResolvedMethod } from '../protocol.js';
import { requestContext } from '../request-context.js';
import { grpcStatusOf, msCodeOf, tooLarge } from '../../edge/status.js';
import { msText } from '../../edge/words.js';
import { errorReply, instancesReply } from './ms-reply.js';
import { noSpec, outline, readInstances, specText, type MsSpec } from './ms-request.js';

/**
 * The original's gRPC service, MSService/Predict (docs/protocols.md, "ms-grpc"). Failures of the application are data in a reply with status OK; a gRPC status is
 * only for what the original never gets to see: messages and counts over a limit, malformed messages, deadlines and cancellation.
 */
export class MsGrpc implements Protocol {
  constructor(readonly limits: DecodeLimits) {}

  decode(request: IngressRequest, methods: MethodLookup): InferRequest {
    const { body } = request;
    const { maxMessageBytes, maxRequestInstances } = this.limits;
    if (body.byteLength > maxMessageBytes) throw tooLarge(`Received message larger than max (${body.byteLength} vs. ${maxMessageBytes})`);
    const reader = new ProtobufReader(body);
    const { spec, instances } = outline(reader, maxRequestInstances);
    const { servable, method } = specText(spec);
    const target = findTarget(methods, spec);
    if (instances === 0) throw refusal('no-instances', { servable, method });
    return {
      target,
      instances: readInstances(reader, target),
      echo: spec,
      deadlineAt: request.deadlineAt,
      priority: 0,
      context: target.method.context && requestContext(request, target.method.context),
    };
  }

  encode(request: IngressRequest, infer: InferRequest, results: readonly InstanceResult[]): IngressAnswer {
    const spec = infer.echo as MsSpec;
    const failure = commonFailure(results);
    if (failure !== undefined) return refusalOf(request, spec, ServingError.of(failure));
    try {
      return { token: request.token, kind: 'grpc', message: instancesReply(spec, infer.target.method, results) };
    } catch (thrown) {
      return refusalOf(request, spec, ServingError.from(thrown, 'the reply could not be written'));
    }
  }

  refuse(request: IngressRequest, error: ServingError): IngressAnswer {
    return refusalOf(request, undefined, error);
  }
}

/** No version is past 2^53; the text tells the number to its last digit all the same. */
function findTarget(methods: MethodLookup, spec: MsSpec): ResolvedMethod {
  const { servable, method } = specText(spec);
  if (Number.isSafeInteger(spec.version)) return methods.resolve(servable, spec.version, method);
  const version = new ProtobufReader(spec.versionBytes).varint64();
  throw refusal('servable-not-found', { servable, method, version: `${version}` });
}

/** `spec` undefined: it is read again from the request, whose decoding may have failed before or after it. */
function refusalOf(request: IngressRequest, spec: MsSpec | undefined, error: ServingError): IngressAnswer {
  const { token } = request;
  const code = msCodeOf(error);
  if (code === undefined) return { token, kind: 'grpc-error', status: grpcStatusOf(error), message: msText(error) };
  return { token, kind: 'grpc', message: errorReply(spec ?? specOf(request), code, msText(error)) };
}

function specOf(request: IngressRequest): MsSpec {
  try {
    return outline(new ProtobufReader(request.body), Infinity).spec;
  } catch {
    return noSpec;
  }
}
