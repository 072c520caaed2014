import { timerMs } from '@mserve/event-loop';
import { ServingError } from '@mserve/wire';

/** Settles like `promise`, or rejects with DEADLINE_EXCEEDED after `timeoutMs`. The timer does not outlive the promise. */
export function withTimeout<T>(promise: Promise<T>, timeoutMs: number, describe: () => string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new ServingError('DEADLINE_EXCEEDED', `${describe()} within ${timeoutMs} ms`)),
      timerMs(timeoutMs),
    );
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error as Error);
      },
    );
  });
}
