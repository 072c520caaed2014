import type { Instance, InstanceResult, MethodSignature, RequestContext, ServingError } from '@mserve/wire';
import type { InferRoute, IngressAnswer, IngressRequest } from '../edge/ingress.js';

/** A method that can be called now, as the catalog resolved it. */
export interface ResolvedMethod {
  readonly servable: string;
  /** Resolved, >= 1. */
  readonly version: number;
  readonly method: MethodSignature;
}

/** How protocols look methods up. Implemented by the catalog; throws ServingError NOT_FOUND with a reason that has the original's text. */
export interface MethodLookup {
  /** `version` 0 = the highest running. */
  resolve(servable: string, version: number, method: string): ResolvedMethod;
  /**
   * Open Inference Protocol names: `servable.method`, or `servable` alone (its only method, or `predict` if it has several).
   * `version` '' = the highest running.
   */
  resolveModel(model: string, version: string): ResolvedMethod;
}

/** A request as all protocols have it in common. */
export interface InferRequest {
  readonly target: ResolvedMethod;
  /** Tensors in the order of target.method.inputs. At least one instance. */
  readonly instances: readonly Instance[];
  /** What the protocol itself needs to write the answer (request id, wanted outputs, binary flags, the spec to echo). */
  readonly echo: unknown;
  /** performance.now() clock, Infinity = none. */
  readonly deadlineAt: number;
  readonly priority: number;
  /** For methods whose signature asks for it. */
  readonly context: RequestContext | undefined;
}

/**
 * One public protocol: bytes to instances and back. Pure: no I/O, no state between requests.
 * decode() throws ServingError for anything wrong with the request (with the original's texts in the original's two protocols);
 * encode() gives every instance's result in request order; refuse() shapes a request-level error.
 */
export interface Protocol {
  decode(request: IngressRequest, methods: MethodLookup): InferRequest;
  encode(request: IngressRequest, infer: InferRequest, results: readonly InstanceResult[]): IngressAnswer;
  refuse(request: IngressRequest, error: ServingError): IngressAnswer;
}

/** The protocol of each infer route. */
export type Protocols = Readonly<Record<InferRoute, Protocol>>;
