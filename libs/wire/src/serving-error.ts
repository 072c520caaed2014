import type { ServingErrorCode } from './error-code.js';
import { textOfReason, type Failure } from './failure.js';
import { reasonTable, type Facts, type Reason } from './reason.js';

/** What a {@link ServingError} may have besides its code and text. */
export interface ServingErrorOptions {
  readonly cause?: unknown;
  readonly reason?: Reason | undefined;
  readonly facts?: Facts | undefined;
}

/**
 * The one error class of mserve. Decisions hang on its code and reason. The message is plain English: what, which name, what was allowed; never a
 * path, a subject or a stack. Protocols that have words of their own write them from the reason and the facts.
 */
export class ServingError extends Error implements Failure {
  override readonly name = 'ServingError';
  readonly code: ServingErrorCode;
  /** undefined: the code says it all. */
  readonly reason: Reason | undefined;
  readonly facts: Facts | undefined;

  /** For errors that have a code alone. Refusals of requests have a reason: {@link refusal}. */
  constructor(code: ServingErrorCode, message: string, options?: ServingErrorOptions) {
    super(message, options);
    this.code = code;
    this.reason = options?.reason;
    this.facts = options?.facts;
  }

  /** Any thrown value as a ServingError: itself when it is one, else INTERNAL with the given text (the value becomes the cause). */
  static from(thrown: unknown, message = 'internal error'): ServingError {
    return thrown instanceof ServingError ? thrown : refusal('internal', { detail: message }, thrown);
  }

  /** A failure that came as data, as an error. */
  static of({ code, message, reason, facts }: Failure): ServingError {
    return new ServingError(code, message, { reason, facts });
  }
}

/** An error for this reason, with its code and its text (see reasonTable). */
export function refusal(reason: Reason, facts: Facts = {}, cause?: unknown): ServingError {
  return new ServingError(
    reasonTable[reason].code,
    textOfReason(reason, facts),
    cause === undefined ? { reason, facts } : { reason, facts, cause },
  );
}

/** What was thrown as plain data, the failure of an instance: code, message, reason and facts, without stack or cause. `message` is for what is no ServingError. */
export function failureFrom(thrown: unknown, message?: string): Failure {
  const { code, message: text, reason, facts } = ServingError.from(thrown, message);
  return { code, message: text, reason, facts };
}
