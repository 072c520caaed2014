const brand = Symbol.for('mserve.InvalidInput');

/**
 * Thrown by a function: the caller sent what cannot be used. Its instance fails with INVALID_ARGUMENT (400) and this text, whatever the protocol; the
 * others go on. What else a function throws is a fault of the servable: ABORTED (500), and it is logged.
 */
export class InvalidInput extends Error {
  override readonly name = 'InvalidInput';
  /** So that one of another copy of this package is known, too. */
  readonly [brand] = true;
}

/** Whether a function threw an {@link InvalidInput}, of this copy of the package or another. Never throws. */
export function isInvalidInput(thrown: unknown): boolean {
  try {
    return typeof thrown === 'object' && thrown !== null && brand in thrown;
  } catch {
    return false;
  }
}
