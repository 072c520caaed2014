import { NativeError } from '@mserve/native';
import type { StageDeclaration } from '@mserve/register';
import type { Failure } from '@mserve/wire';

/** Texts that clients see (SPEC 1.4), made in one place. */

/**
 * Why an instance has no outputs after a native run by itself. Tensors that the model cannot take (dims that contradict each other, an integer
 * divided by zero) are the caller's affair, and said; anything else is for operators only.
 */
export function predictFailed(cause: unknown): Failure {
  if (cause instanceof NativeError && cause.kind === 'input')
    return { code: 'INVALID_ARGUMENT', message: `Predict Failed, ${cause.message}` };
  return { code: 'INTERNAL', message: 'Predict Failed' };
}

export function cancelled(method: string): Failure {
  return { code: 'CANCELLED', message: `the request was cancelled, method '${method}'` };
}

export function deadlineExceeded(method: string, stage: number): Failure {
  return { code: 'DEADLINE_EXCEEDED', message: `deadline exceeded, method '${method}', stage index(begin with 1): ${stage}` };
}

/** What a function said, with the original's prefix. */
export function functionFailed(functionName: string, method: string, stage: StageDeclaration, failure: Failure): Failure {
  const called = stage.tag === undefined ? `Function '${functionName}'` : stage.tag;
  const message = `Call ${called} Failed, method: '${method}', stage index(begin with 1): ${stage.number}, error msg: ${failure.message}`;
  return { code: failure.code, message };
}
