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

/**
 * What is wrong with another rank, by number (PeerFault of the addon's rank/fault.h): ended = its connection ended (it died, or the network failed); gave up = it left the mesh for
 * a reason of its own; unreachable = nobody listens at its endpoint; token, address, epoch = it has others than this formation; garbage = it sends bytes that are no frame;
 * unexpected = it is at another step; silent = nothing came from it until the deadline.
 */
export const peerFaults = [
  undefined,
  'ended',
  'gave up',
  'unreachable',
  'token',
  'address',
  'epoch',
  'garbage',
  'unexpected',
  'silent',
] as const;

/** See {@link peerFaults}. */
export type PeerFault = Exclude<(typeof peerFaults)[number], undefined>;

/** The rank at fault, as far as this one can tell. That of 'gave up' is the messenger: the cause lies with itself or with others. */
export interface FaultyPeer {
  readonly rank: number;
  readonly fault: PeerFault;
}

/** What a {@link NativeError} may have besides its kind and text. */
export interface NativeErrorOptions extends ErrorOptions {
  readonly runtimeCode?: RuntimeCode | undefined;
  readonly peer?: FaultyPeer | undefined;
}

/** The only error that this package throws. The message is for an operator: it may quote ONNX Runtime's own text. */
export class NativeError extends Error {
  /** undefined: it was not ONNX Runtime that failed, or it has a code that is not known here. */
  readonly runtimeCode: RuntimeCode | undefined;
  /** Of kinds 'peer', 'protocol' and 'deadline', where the fault is that of a certain rank. */
  readonly peer: FaultyPeer | undefined;

  constructor(
    readonly kind: NativeErrorKind,
    message: string,
    options?: NativeErrorOptions,
  ) {
    super(message, options);
    this.name = 'NativeError';
    this.runtimeCode = options?.runtimeCode;
    this.peer = options?.peer;
  }
}
