import type { Instance } from '@mserve/wire';
import type { ServableDeclaration } from '@mserve/register';
import type { FunctionRun } from './function-run.js';

/** Lets user functions call models (Model.call); the worker's executor implements it. Instances of one call may be batched with others. */
export interface ModelCaller {
  /** Rejects with ServingError (the original's texts, without the prefix `Model(K).call() failed: `). Results in the order of `instances`. */
  call(modelKey: string, subgraph: number, instances: readonly Instance[]): Promise<readonly Instance[]>;
}

/** What may be known of the threads when the next work is chosen. */
export interface FreeThreads {
  /** Threads that could be given work now. */
  readonly idleCount: number;
  /** Whether calls of this function have to wait though a thread is idle: others of it take long, and must not take all threads. */
  isHeldBack(functionIndex: number): boolean;
}

/** The one queue that a runner takes its work from. */
export interface FunctionWork {
  /** What one idle thread is to do next; undefined when nothing waits that may run now. Its instances leave the queue. */
  take(threads: FreeThreads): FunctionRun | undefined;
}

/** The states of a function thread, for operators. busy: in a call. stuck: in one that takes long. full: it awaits as much as it may. */
export const functionThreadStates = ['loading', 'idle', 'busy', 'stuck', 'full', 'given-up'] as const;

/** See {@link functionThreadStates}. */
export type FunctionThreadState = (typeof functionThreadStates)[number];

/** The threads of a runner now, and those that were replaced because they ended or were given up, since it began. */
export interface FunctionThreads {
  readonly states: readonly FunctionThreadState[];
  readonly replaced: number;
}

/**
 * Runs a servable's functions in worker threads that loaded its servable_config (`numParallelWorkers` of them, at least one). Whenever a thread
 * is free it takes work from the queue it {@link serve}s: one call for a batch function, one call per instance otherwise. Each run gets one
 * result per instance. A failure's message is the exception's text (or the original's text for a broken contract), without the
 * `Call Function ...` prefix, which the executor adds; its code is ABORTED, DEADLINE_EXCEEDED when it was cut.
 * A thread that hangs past the deadline, exits or runs out of memory is replaced, and only the instances it had fail.
 */
export interface FunctionRunner {
  /** What the config declares. */
  readonly declaration: ServableDeclaration;
  readonly threads: FunctionThreads;
  /** Where work is to be taken from. To be called once, before {@link wake}. */
  serve(work: FunctionWork): void;
  /** There is new work in the queue. */
  wake(): void;
  /** Ends the threads. What is under way or waits fails with UNAVAILABLE. */
  close(): Promise<void>;
}
