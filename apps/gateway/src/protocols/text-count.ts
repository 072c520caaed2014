import { tooLarge } from '../edge/status.js';

/** Throws ServingError RESOURCE_EXHAUSTED (413) for a string or bytes tensor of more elements: each costs far more than the 3 bytes of JSON that may have asked for it. */
export function checkTextCount(count: number, maxTensorStrings: number): void {
  if (count > maxTensorStrings) throw tooLarge(`a tensor of the request has more than ${maxTensorStrings} strings`);
}
