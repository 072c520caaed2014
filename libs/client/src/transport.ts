import type { Tensor } from '@mserve/wire';
import type { MethodDescription } from './description.js';

/** Tensors of one instance by name. */
export type NamedTensors = ReadonlyMap<string, Tensor>;

/** One instance to be inferred. */
export interface InferCall {
  readonly description: MethodDescription;
  /** undefined: whichever is the latest. */
  readonly version: number | undefined;
  readonly inputs: NamedTensors;
  readonly requestId: string | undefined;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  /** Milliseconds that are left. */
  readonly timeoutMs: number;
  /** Aborted when the caller waits no more, or its time is over. */
  readonly signal: AbortSignal;
}

/** What came back of an {@link InferCall}. */
export interface InferResult {
  /** The version that ran. */
  readonly version: number;
  readonly outputs: NamedTensors;
}

/** A model that can be called. */
export interface ReadyModel {
  readonly servable: string;
  readonly method: string;
  readonly version: number;
}

/** How a client reaches a server. All methods reject with a ServingError. */
export interface Transport {
  /** `version` undefined: the latest. NOT_FOUND when there is no such method. */
  describe(servable: string, method: string, version: number | undefined, signal: AbortSignal): Promise<MethodDescription>;
  infer(call: InferCall): Promise<InferResult>;
  /** What is ready now. */
  list(signal: AbortSignal): Promise<readonly ReadyModel[]>;
  /** Calls that are on their way are refused. */
  close(): Promise<void>;
}

/** An error that a transport is sure to have got before the server began with the call: it may be sent again whatever the call does. */
export class NotBegun extends Error {
  override readonly name = 'NotBegun';

  constructor(
    override readonly cause: Error,
    /** The server asks for so long a pause; undefined: it said nothing. */
    readonly afterMs: number | undefined,
  ) {
    super(cause.message, { cause });
  }
}
