import type { Tensor } from '@mserve/wire';
import type { ModelPort } from './model-port.js';
import type { ModelReport } from './report.js';

/** A weight that is given to the session by reference instead of inside the model. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

/** A MindIR model as ONNX. */
export interface OnnxModel {
  /**
   * Serialised onnx.ModelProto. Weights above 1 KiB are missing: their initializers are marked as external data, and the
   * session must be given {@link initializers} with it. `writeOnnx` makes a file that stands alone.
   */
  readonly model: Uint8Array;
  /** Views on the bytes of the MindIR file: they live as long as the session does and must not be written to. */
  readonly initializers: readonly NamedTensor[];
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
  readonly report: ModelReport;
}
