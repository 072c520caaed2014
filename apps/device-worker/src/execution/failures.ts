import { NativeError } from '@mserve/native';
import type { StageDeclaration } from '@mserve/register';
import { failureOf, ServingError, type Failure, type Reason } from '@mserve/wire';

/** The failures that clients see, made in one place (docs/protocols.md, "Reasons"). */

/**
 * Why an instance has no outputs after a native run by itself. Tensors that the model cannot take (dims that contradict each other, an index
 * beyond a table, an integer divided by zero) are the caller's affair, and said; so is what ONNX Runtime has no code for (`Fail`) when the model
 * has run well before (`hasRunWell`): then it is the values that make the difference. Outputs that are not as the model was
 * declared are said with their shapes, and ranks of a distributed model that were lost: a client may try again. Anything else is for operators only.
 */
export function predictFailed(cause: unknown, hasRunWell: boolean): Failure {
  if (cause instanceof ServingError && cause.code === 'UNAVAILABLE') return failureOf('ranks-unavailable', { detail: cause.message });
  if (cause instanceof ServingError) return failureOf('model-failed', { detail: cause.message });
  if (!(cause instanceof NativeError)) return failureOf('model-failed');
  if (cause.kind === 'input' || (cause.kind === 'run' && cause.runtimeCode === 'Fail' && hasRunWell))
    return failureOf('data-refused', { detail: cause.message });
  return failureOf('model-failed');
}

/** Whether the device of a run will do no more work in this process. */
export function isDeviceLost(cause: unknown): boolean {
  return cause instanceof NativeError && cause.kind === 'lost';
}

export function cancelled(method: string): Failure {
  return failureOf('cancelled', { method });
}

/** `stage`: from 1. */
export function deadlineExceeded(method: string, stage: number): Failure {
  return failureOf('deadline-exceeded', { method, stage });
}

const functionReasons: Partial<Readonly<Record<Failure['code'], Reason>>> = {
  ABORTED: 'function-failed',
  DEADLINE_EXCEEDED: 'function-late',
  CANCELLED: 'function-cancelled',
  UNAVAILABLE: 'function-unavailable',
  RESOURCE_EXHAUSTED: 'function-limit',
};

/** The failure of a function that a FunctionRunner tells; its text is the detail: what the function said, in most cases. */
export function functionFailed(functionName: string, method: string, stage: StageDeclaration, failure: Failure): Failure {
  const called = stage.tag ?? `Function '${functionName}'`;
  const where = { function: called, method, stage: stage.number };
  if (failure.reason !== undefined) return failureOf(failure.reason, { ...failure.facts, ...where });
  return failureOf(functionReasons[failure.code] ?? 'function-broken', { ...where, detail: failure.message });
}
