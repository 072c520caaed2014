import { ServingError } from '@mserve/wire';
import type { InferRoute, IngressAnswer, IngressRequest } from '../ingress/ingress.js';
import { MsRest } from './ms-rest/ms-rest.js';
import { OipRest } from './oip-rest/oip-rest.js';
import type { Protocol } from './protocol.js';
import { grpcStatusOf } from './status.js';

export * from './protocol.js';
export { modelMetadata, platform, type ModelMetadata, type TensorMetadata } from './metadata.js';
export { EdgeError, grpcStatusOf, httpStatusOf, httpStatusOfError, msCodeOf, tooLarge } from './status.js';
export { maxInstances } from './ms-tensors.js';

/** What the protocols can be told. */
export interface ProtocolOptions {
  /** REST `/model/...` answers every error with HTTP 200, as the original does. Default false: true status codes. */
  readonly legacyStatus200?: boolean;
  /** Largest body, also after Content-Encoding is undone. Bytes. */
  readonly maxMessageBytes: number;
}

class Unwritten implements Protocol {
  decode(): never {
    throw new ServingError('UNIMPLEMENTED', 'this protocol is not served yet');
  }

  encode(request: IngressRequest): IngressAnswer {
    return this.refuse(request, new ServingError('UNIMPLEMENTED', 'this protocol is not served yet'));
  }

  refuse(request: IngressRequest, error: ServingError): IngressAnswer {
    return { token: request.token, kind: 'grpc-error', status: grpcStatusOf(error.code), message: error.message };
  }
}

/** One protocol object for each infer route. They keep no state between requests. */
export function createProtocols(options: ProtocolOptions): Record<InferRoute, Protocol> {
  const { legacyStatus200 = false, maxMessageBytes } = options;
  return {
    'ms-rest': new MsRest(legacyStatus200, maxMessageBytes),
    'ms-grpc': new Unwritten(),
    'oip-rest': new OipRest(maxMessageBytes),
    'oip-grpc': new Unwritten(),
  };
}
