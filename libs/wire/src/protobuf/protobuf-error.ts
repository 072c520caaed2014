import { ServingError } from '../serving-error.js';

/** Bytes that are not the protobuf message they should be: INVALID_ARGUMENT. `at` is the place in the bytes where that was seen. */
export class ProtobufError extends ServingError {
  constructor(
    what: string,
    readonly at: number,
  ) {
    super('INVALID_ARGUMENT', `malformed protobuf message: ${what}`);
  }
}
