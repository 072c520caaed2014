/**
 * Why rows are not shown to be independent.
 * - mixed: this operator makes a row depend on the others, or on its place among them
 * - unknown: the graph does not tell
 */
export interface Fault {
  readonly outcome: 'mixed' | 'unknown';
  /** Type of the operator; '' when it is no operator. */
  readonly op: string;
  /** Its name in the file; the name of its first output when it has none. */
  readonly node: string;
  /** What it does, in words that follow its name. */
  readonly reason: string;
  /** It goes along the rows from one to the next, as over the steps of a sequence. */
  readonly sequence: boolean;
}

/** Carries a {@link Fault} out of an operator's rule. */
export class ProofFault extends Error {
  constructor(
    readonly fault: Fault,
    /** Holds for constants too: what it gives is another thing in every run. */
    readonly always = false,
  ) {
    super(fault.reason);
  }
}
