/** The infer routes that an ingress recognises by itself; everything else on the ports goes on to Nest. */
export type InferRoute =
  /** POST /model/{servable}[/version/{n}]:{method} */
  | 'ms-rest'
  /** /mindspore.serving.proto.MSService/Predict */
  | 'ms-grpc'
  /** POST /v2/models/{model}[/versions/{n}]/infer */
  | 'oip-rest'
  /** /inference.GRPCInferenceService/ModelInfer */
  | 'oip-grpc';

/** One raw infer request: bytes and where they came in, nothing decoded. */
export interface IngressRequest {
  /** Names the request until it is answered; unique in this process. */
  readonly token: number;
  readonly route: InferRoute;
  /** Request path as sent, with query, not decoded; '' for gRPC. */
  readonly path: string;
  /** HTTP method; 'POST' for gRPC. */
  readonly verb: string;
  /** Lower-case header names; for gRPC the metadata, binary ones in base64 as they were sent. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Whole body, or whole gRPC message, inflated if it came compressed; never over the size limit (the ingress refuses those itself). */
  readonly body: Uint8Array;
  /** performance.now() clock; Infinity when the client gave none (header `x-request-timeout-ms`, or grpc-timeout). */
  readonly deadlineAt: number;
}

/** The answer to one infer request. */
export type IngressAnswer =
  | {
      readonly token: number;
      readonly kind: 'http';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      /** Written one after the other; content-length is their sum. */
      readonly body: readonly (Uint8Array | string)[];
    }
  | { readonly token: number; readonly kind: 'grpc'; readonly message: Uint8Array }
  | {
      readonly token: number;
      readonly kind: 'grpc-error';
      /** gRPC status code number, not 0. */
      readonly status: number;
      readonly message: string;
    };

/** What an ingress tells the room behind it. Called with everything one event-loop turn brought; must not throw. */
export interface IngressListener {
  onRequests(requests: readonly IngressRequest[]): void;
  /** The clients of these are gone; answers for them are dropped. */
  onGone(tokens: readonly number[]): void;
}

/** Owns the public REST and gRPC ports. NodeIngress now; a native one later, behind the same contract and the same test suite. */
export interface Ingress {
  /** Takes answers in any order; those of unknown tokens (client gone) are dropped. */
  answer(answers: readonly IngressAnswer[]): void;
}
