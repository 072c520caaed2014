/**
 * What went wrong, for the caller to decide by:
 * load = the model cannot be used; input = this run's tensors do not fit the model, or it refuses their values (an index beyond a table, an integer divided by zero); run = the model failed while running;
 * cancelled = ended by its AbortSignal; closed = the session was closed before; library = ONNX Runtime or the addon is missing or unfit;
 * device = the device that was asked for is unknown or cannot be used here; lost = the device ended its work: only a new process can use it again.
 * Of ranks of a distributed model: peer = a connection to another rank ended or could not be made; protocol = another rank is at another step, batch or size;
 * deadline = the time of a run or of a formation is over; aborted = ended by abort() or by a new formation; unformed = the rank has no connections to the others.
 */
export type NativeErrorKind =
  | 'load'
  | 'input'
  | 'run'
  | 'cancelled'
  | 'closed'
  | 'library'
  | 'device'
  | 'lost'
  | 'peer'
  | 'protocol'
  | 'deadline'
  | 'aborted'
  | 'unformed';

/** ONNX Runtime's own error codes, by number (OrtErrorCode of its C API). */
export const runtimeCodes = [
  undefined,
  'Fail',
  'InvalidArgument',
  'NoSuchFile',
  'NoModel',
  'EngineError',
  'RuntimeException',
  'InvalidProtobuf',
  'ModelLoaded',
  'NotImplemented',
  'InvalidGraph',
  'EpFail',
  'ModelLoadCanceled',
  'ModelRequiresCompilation',
  'NotFound',
] as const;

/** What ONNX Runtime said that went wrong. `Fail` is said of much that has no code of its own. */
export type RuntimeCode = Exclude<(typeof runtimeCodes)[number], undefined>;

/** What a {@link NativeError} may have besides its kind and text. */
export interface NativeErrorOptions extends ErrorOptions {
  readonly runtimeCode?: RuntimeCode | undefined;
}

/** The only error that this package throws. The message is for an operator: it may quote ONNX Runtime's own text. */
export class NativeError extends Error {
  /** undefined: it was not ONNX Runtime that failed, or it has a code that is not known here. */
  readonly runtimeCode: RuntimeCode | undefined;

  constructor(
    readonly kind: NativeErrorKind,
    message: string,
    options?: NativeErrorOptions,
  ) {
    super(message, options);
    this.name = 'NativeError';
    this.runtimeCode = options?.runtimeCode;
  }
}
