/** Thrown when a trace comes to MindSpore's `raise`: the branch that it is in never returns. */
export class RaiseReached extends Error {
  override readonly name = 'RaiseReached';
}
