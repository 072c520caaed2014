import type { ServableDeclaration } from '@mserve/register';
import type { StepFailure } from './function-call.js';
import type { Pack } from './instance-pack.js';

/** What a function thread is started with. */
export interface ThreadStart {
  readonly servable: string;
  /** Absolute path of the servable_config. */
  readonly configFile: string;
  /** Directory, private to this user, for transformed sources; undefined: they are transformed in every thread. */
  readonly cacheDirectory: string | undefined;
  /** Set in the thread's environment before the config is loaded, for example SERVING_DEVICE_ID. */
  readonly environment: Readonly<Record<string, string>>;
  /** Shared Int32Array, see {@link control}. */
  readonly control: SharedArrayBuffer;
}

/**
 * Cells of the control array. A batch is a list of steps (calls of functions). Before each step the thread adds one to `started`; the loop
 * takes back what was not begun by exchanging it for {@link takenBack}: whoever is first has the step.
 * `heard`: number of the last ping that the thread came to.
 */
export const control = { started: 0, finished: 1, pending: 2, heard: 3 } as const;
/** How many cells the control array has. */
export const controlCells = 4;
/** The cells before this one are about the batch that the thread has; they start from 0 with each. */
export const batchCells = 3;
/** In `started`: the loop took the rest of the batch back. */
export const takenBack = 1 << 30;

/** Loop to thread. */
export type ToThread =
  /** Steps: per step function index, instance count, instances. Comes when the batch before is done or parked. */
  | { readonly kind: 'steps'; readonly batch: number; readonly pack: Pack }
  /** Answer to a modelCall: instances, or why not. */
  | { readonly kind: 'modelAnswer'; readonly call: number; readonly pack: Pack | undefined; readonly failure: string }
  /** To be put into the cell `heard`. */
  | { readonly kind: 'ping'; readonly number: number };

/** Where in the author's files a load failed. */
export interface LoadFailure {
  readonly message: string;
  readonly file: string | undefined;
  readonly line: number | undefined;
}

/** running: more results follow. parked: all steps were begun, and what is left awaits something: the thread can take another batch. done: nothing follows. */
export type BatchState = 'running' | 'parked' | 'done';

/** Thread to loop. */
export type FromThread =
  /** `threadId`: see nativeThreadId. */
  | { readonly kind: 'loaded'; readonly declaration: ServableDeclaration; readonly threadId: number | undefined }
  /** `declared`: what was right. */
  | { readonly kind: 'loadFailed'; readonly failures: readonly LoadFailure[]; readonly declared?: ServableDeclaration }
  /** Results of a batch: per result step, instance in the step, and 1 + outputs or 0 + index into failures. */
  | {
      readonly kind: 'results';
      readonly batch: number;
      readonly state: BatchState;
      readonly pack: Pack;
      readonly failures: readonly StepFailure[];
    }
  | { readonly kind: 'modelCall'; readonly call: number; readonly modelKey: string; readonly subgraph: number; readonly pack: Pack }
  | { readonly kind: 'warning'; readonly text: string };
