import type { InferRoute } from '../edge/ingress.js';
import { decodeLimitsOf, type GivenLimits } from './decode-limits.js';
import { ElementSinks } from './json/element-sinks.js';
import { MsGrpc } from './ms-grpc/ms-grpc.js';
import { MsRest } from './ms-rest/ms-rest.js';
import { OipGrpc } from './oip-grpc/oip-grpc.js';
import { OipRest } from './oip-rest/oip-rest.js';
import type { Protocol } from './protocol.js';

export * from './protocol.js';
export { modelMetadata, platform, type ModelMetadata, type TensorMetadata } from './metadata.js';
export { grpcStatusOf, httpStatusOf, msCodeOf, tooLarge } from '../edge/status.js';
export { decodeLimitSettings, type DecodeLimits } from './decode-limits.js';

/** What the protocols can be told. */
export interface ProtocolOptions extends GivenLimits {
  /** REST `/model/...` answers every error with HTTP 200, as the original does. Default false: true status codes. */
  readonly legacyStatus200?: boolean;
  /** REST `/model/...` reads number literals by the original's rule: an integer literal never is a float. Default false. */
  readonly legacyJsonNumbers?: boolean;
}

/** One protocol object for each infer route. Between requests they keep nothing but room for tensors. */
export function createProtocols(options: ProtocolOptions): Record<InferRoute, Protocol> {
  const { legacyStatus200 = false, legacyJsonNumbers = false } = options;
  const limits = decodeLimitsOf(options);
  const sinks = new ElementSinks();
  return {
    'ms-rest': new MsRest(legacyStatus200, limits, { rule: legacyJsonNumbers ? 'original' : 'declared', sinks }),
    'ms-grpc': new MsGrpc(limits),
    'oip-rest': new OipRest(limits, sinks),
    'oip-grpc': new OipGrpc(limits),
  };
}
