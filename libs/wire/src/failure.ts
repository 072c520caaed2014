import type { ServingErrorCode } from './error-code.js';
import { reasonTable, textOfFacts, type Facts, type Reason } from './reason.js';

/** The failure of one instance, or of a ticket, as data. */
export interface Failure {
  readonly code: ServingErrorCode;
  /** Plain English, as ServingError has it. */
  readonly message: string;
  /** undefined: the code says it all, or the reason is a newer peer's. */
  readonly reason?: Reason | undefined;
  readonly facts?: Facts | undefined;
}

/** The failure of an instance or of a ticket for this reason, with its code and its text (see reasonTable). */
export function failureOf(reason: Reason, facts: Facts = {}): Failure {
  return { code: reasonTable[reason].code, message: textOfReason(reason, facts), reason, facts };
}

/** The text of a reason. */
export function textOfReason(reason: Reason, facts: Facts): string {
  return textOfFacts(reasonTable[reason].text, facts);
}
