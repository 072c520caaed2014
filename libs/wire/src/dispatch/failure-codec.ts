import { servingErrorCodes } from '../error-code.js';
import type { Failure } from '../failure.js';
import { knownReason, type Facts } from '../reason.js';
import type { MessageCodec } from './message-codec.js';
import { nested, optional, string, tableCodec, uint } from './table-codec.js';

/** Empty texts and zeros are the same as facts that are not given. */
const text = optional(string);
const number = optional(uint);

const factsCodec = tableCodec<Facts>('facts', {
  servable: [1, text],
  version: [2, text],
  method: [3, text],
  model: [4, text],
  function: [5, text],
  input: [6, text],
  output: [7, text],
  expected: [8, text],
  given: [9, text],
  detail: [10, text],
  stage: [11, number],
  limit: [12, number],
  attempts: [13, number],
});

/** A failure whose code and reason may be those of another version. */
interface SentFailure {
  readonly code: string;
  readonly message: string;
  readonly reason?: string | undefined;
  readonly facts?: Facts | undefined;
}

const sentCodec = tableCodec<SentFailure>('a failure', {
  code: [1, string],
  message: [2, string],
  reason: [3, text],
  facts: [4, optional(nested(factsCodec))],
});

/** A code that only a newer version knows is INTERNAL; of a reason that it alone knows, or that is not one of this code's, the code is left. */
export const failureCodec: MessageCodec<Failure> = {
  measure: (failure, out) => sentCodec.measure(failure, out),
  write: (failure, out) => sentCodec.write(failure, out),
  read(from) {
    const { code: name, message, reason: reasonName, facts } = sentCodec.read(from);
    const code = servingErrorCodes.find((known) => known === name) ?? 'INTERNAL';
    const reason = reasonName === undefined ? undefined : knownReason(reasonName, code);
    return reason === undefined ? { code, message } : { code, message, reason, facts: facts ?? {} };
  },
};
