import type { BorrowedMemory } from '@mserve/bus';
import type { IngressAnswer } from '../edge/ingress.js';

function partsOf(answer: IngressAnswer): readonly (Uint8Array | string)[] {
  return answer.kind === 'http' ? answer.body : answer.kind === 'grpc' ? answer.message : [];
}

/** Whether an answer has parts of this memory, such as the request's own: a method may give back what it got. */
export function isPartOf(buffer: ArrayBufferLike, answer: IngressAnswer): boolean {
  return partsOf(answer).some((part) => typeof part !== 'string' && part.buffer === buffer);
}

/** The memory that an answer was made from goes back now, or when the answer is written, where it has parts of it. */
export function givingBack(answer: IngressAnswer, borrowed: BorrowedMemory): IngressAnswer {
  if (answer.kind !== 'grpc-error' && partsOf(answer).some((part) => typeof part !== 'string' && borrowed.isUnder(part)))
    return { ...answer, onWritten: () => borrowed.giveBack() };
  borrowed.giveBack();
  return answer;
}
