import type { ServingErrorCode } from '@mserve/wire';

/** What the infer path counts since its start. Read it, never write it from outside. */
export class InferCounters {
  /** Requests taken from the ingress, refused ones included. */
  received = 0;
  /** Requests answered with results (single instances of them may have failed). */
  answered = 0;
  /** Requests refused as a whole, by code. */
  readonly refused: Partial<Record<ServingErrorCode, number>> = {};
  /** Requests whose client left before the answer. */
  gone = 0;
  /** Results and refusals that came for nobody: answered before, expired, or a second attempt's. */
  late = 0;
  /** Tickets sent to a scheduler again. */
  resent = 0;
  /** Tickets that no scheduler took. */
  undelivered = 0;

  countRefused(code: ServingErrorCode): void {
    this.refused[code] = (this.refused[code] ?? 0) + 1;
  }
}
