import { MindirError } from '../mindir-error.js';

/** Elements of a list that is made at load time. Lists that grow with a tensor's content are made by ONNX nodes instead. */
const maxLength = 2 ** 22;

/** Element `index` of a list that comes from a file. Throws MindirError `format` where the list is shorter. */
export function elementAt<Element>(list: readonly Element[], index: number): Element {
  const element = list[index];
  if (element === undefined)
    throw new MindirError('format', `an operator has a list of ${list.length} elements where it needs more than ${index}`);
  return element;
}

/** As Array.from({ length }, element), for lengths that come from a file: a huge one is a MindirError, not the end of the process. */
export function sequence<Element>(length: number, element: (unused: undefined, index: number) => Element): Element[] {
  if (!(length <= maxLength))
    throw new MindirError('limits', `an operator needs a list of ${length} elements at load time, at most ${maxLength} are made`);
  return Array.from({ length: Math.max(0, Math.trunc(length)) }, (_, index) => element(undefined, index));
}
