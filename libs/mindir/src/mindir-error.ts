/**
 * Why a MindIR file was refused.
 *
 * - format: the bytes are not a whole, sane MindIR file · dialect: a MindIR of a MindSpore that is too old to be read
 * - encrypted: a key is needed and none was given · key: the key or the mode is wrong, or the file was damaged after encryption
 * - unsupported: operators, dtypes or control flow that have no translation · external: weights outside the model's folder, or missing
 * - limits: the file asks for more memory or work than is allowed
 */
export type MindirErrorKind = 'format' | 'dialect' | 'encrypted' | 'key' | 'unsupported' | 'external' | 'limits';

/** The one error class of this library. The message names the model by its file name, never by its folder, and never holds key material. */
export class MindirError extends Error {
  override readonly name = 'MindirError';
  readonly kind: MindirErrorKind;

  constructor(kind: MindirErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}
