/**
 * What went wrong, for the caller to decide by:
 * load = the model cannot be used; input = this run's tensors do not fit the model, or make it divide an integer by zero; run = the model failed while running;
 * cancelled = ended by its AbortSignal; closed = the session was closed before; library = ONNX Runtime or the addon is missing or unfit;
 * device = the device that was asked for is unknown or cannot be used here.
 */
export type NativeErrorKind = 'load' | 'input' | 'run' | 'cancelled' | 'closed' | 'library' | 'device';

/** The only error that this package throws. The message is for an operator: it may quote ONNX Runtime's own text. */
export class NativeError extends Error {
  constructor(
    readonly kind: NativeErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'NativeError';
  }
}
