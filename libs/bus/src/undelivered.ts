import { ServingError } from '@mserve/wire';
import type { Report } from './report.js';

/** Called when it is known that nobody got a message; see Bus.send. */
export type OnUndelivered = ((error: Error) => void) | undefined;

/** Calls each callback with UNAVAILABLE (or `error`); what they throw is reported. */
export function tellUndelivered(callbacks: readonly OnUndelivered[], report: Report, error?: ServingError): void {
  for (const callback of callbacks) {
    if (callback === undefined) continue;
    try {
      callback(error ?? new ServingError('UNAVAILABLE', 'the receiver is gone'));
    } catch (thrown) {
      report('an onUndelivered callback threw', thrown);
    }
  }
}
