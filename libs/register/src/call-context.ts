/** Where a function writes what the operator shall read: the server's log, with the request's id. Outside of a server: the console. */
export interface CallLog {
  debug(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

/** What a {@link CallContext} is made of. All have defaults, so that a test gives what its function looks at. */
export interface CallContextValues {
  /** Default: `test`. */
  readonly requestId?: string | undefined;
  /** Default: none. */
  readonly parameters?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Names in lower case. Default: none. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  /** Default: the request is not traced. */
  readonly traceparent?: string | undefined;
  /** Default: there is none. */
  readonly tracestate?: string | undefined;
  /** Default: there is none. */
  readonly deadline?: Date | undefined;
  /** Default: the console. */
  readonly log?: CallLog | undefined;
}

/**
 * What a function may know of the request that it works for. A stage with the option `context` (see addStage) hands it to its function as the last
 * argument: `fn(a, b, context)`, and to a batch function `fn(instances, contexts)` with one for each instance.
 */
export class CallContext {
  /** The client's: `id` of the Open Inference Protocol, else the header `x-request-id`; at most 1024 characters. Else a unique one. The same in every attempt. */
  readonly requestId: string;
  /** The request's parameters in the Open Inference Protocol; empty in the protocols of MindSpore Serving, which have none. */
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** HTTP headers or gRPC metadata that the stages of the method name, by names in lower case; those that the client did not send are not there. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** W3C traceparent of the stage's span, for calls of other services; undefined where the request is not traced. */
  readonly traceparent: string | undefined;
  /** W3C tracestate, which goes on with {@link traceparent}; undefined where there is none. */
  readonly tracestate: string | undefined;
  /** After it nobody waits for the result. undefined: the request has none. */
  readonly deadline: Date | undefined;
  readonly log: CallLog;

  constructor(values: CallContextValues = {}) {
    const { requestId = 'test', parameters = {}, headers = {}, traceparent, tracestate, deadline, log = console } = values;
    this.requestId = requestId;
    this.parameters = parameters;
    this.headers = headers;
    this.traceparent = traceparent;
    this.tracestate = tracestate;
    this.deadline = deadline;
    this.log = log;
  }

  /** Milliseconds until the deadline, >= 0; Infinity where there is none. */
  get remainingMs(): number {
    return this.deadline === undefined ? Infinity : Math.max(0, this.deadline.getTime() - Date.now());
  }
}
