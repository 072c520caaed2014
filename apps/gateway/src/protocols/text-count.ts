import { tooLarge } from '../edge/status.js';

/** Elements of a string or bytes tensor. Each costs far more than the 3 bytes of JSON that may have asked for it. */
export const maxTextElements = 1_000_000;

/** Throws ServingError RESOURCE_EXHAUSTED (413) for a string or bytes tensor of more than {@link maxTextElements}. */
export function checkTextCount(count: number): void {
  if (count > maxTextElements) throw tooLarge(`a tensor of the request has more than ${maxTextElements} strings`);
}
