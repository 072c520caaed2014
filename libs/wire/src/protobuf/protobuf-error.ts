import { textOfReason } from '../failure.js';
import { reasonTable } from '../reason.js';
import { ServingError } from '../serving-error.js';

const reason = 'protobuf-malformed';

/** Bytes that are not the protobuf message they should be: INVALID_ARGUMENT. `at` is the place in the bytes where that was seen. */
export class ProtobufError extends ServingError {
  constructor(
    what: string,
    readonly at: number,
  ) {
    super(reasonTable[reason].code, textOfReason(reason, { detail: what }), { reason, facts: { detail: what } });
  }
}
