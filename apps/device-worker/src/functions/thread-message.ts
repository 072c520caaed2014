import type { CallLog, ServableDeclaration } from '@mserve/register';
import type { RequestContext } from '@mserve/wire';
import type { FunctionIsolation } from '../servable/declared-isolation.js';
import type { StepFailure } from './function-call.js';
import type { Pack } from './instance-pack.js';

/** What a program that runs functions is started with. */
export interface ProgramStart {
  readonly servable: string;
  /** Absolute path of the servable_config. */
  readonly configFile: string;
  /** Directory, private to this user, for transformed sources; undefined: they are transformed in every thread. */
  readonly cacheDirectory: string | undefined;
  /** Set in the thread's environment before the config is loaded, for example SERVING_DEVICE_ID. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the functions run in. */
  readonly isolation: FunctionIsolation;
}

/** What a function thread is started with. */
export interface ThreadStart extends ProgramStart {
  /** Shared Int32Array, see {@link control}. */
  readonly control: SharedArrayBuffer;
}

/**
 * Cells of the control array. A batch is a list of steps (calls of functions). Before each step the thread adds one to `started`; the loop
 * takes back what was not begun by exchanging it for {@link takenBack}: whoever is first has the step.
 * `heard`: number of the last ping that the thread came to. `noted`: native packages whose load the owner knows of.
 */
export const control = { started: 0, finished: 1, pending: 2, heard: 3, noted: 4 } as const;
/** How many cells the control array has. */
export const controlCells = 5;
/** The cells before this one are about the batch that the thread has; they start from 0 with each. */
export const batchCells = 3;
/** In `started`: the loop took the rest of the batch back. */
export const takenBack = 1 << 30;

/** What a function gets to know of its request. The objects are JSON text; '' = empty. */
export interface SentContext extends RequestContext {
  /** Date.now() clock; Infinity = none. */
  readonly deadline: number;
  /** W3C traceparent of the stage's span; '' = not traced. */
  readonly traceparent: string;
  /** That goes with it; '' = none. */
  readonly tracestate: string;
}

/** Loop to thread. */
export type ToThread =
  /**
   * Steps: per step function index, instance count, instances. Comes when the batch before is done or parked. `contexts`: of all instances in turn, for
   * functions that take them. `firstStep`: number of the first one, from which results are numbered.
   */
  | {
      readonly kind: 'steps';
      readonly batch: number;
      readonly firstStep: number;
      readonly pack: Pack;
      readonly contexts: readonly SentContext[] | undefined;
    }
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
  | { readonly kind: 'warning'; readonly text: string }
  /** Of threads: it is about to load a native package, and waits for `noted`. */
  | { readonly kind: 'native'; readonly file: string; readonly threadId: number }
  /** Of processes: the ping of this number was heard. */
  | { readonly kind: 'pong'; readonly number: number }
  /** Of processes: the step that was sent as this batch is begun. */
  | { readonly kind: 'begun'; readonly batch: number }
  /** Of processes: something was thrown that nobody caught; unless the author's code listens for that, the process ends now. */
  | { readonly kind: 'uncaught'; readonly text: string }
  /** What a function writes into the log of its context. */
  | { readonly kind: 'log'; readonly level: keyof CallLog; readonly text: string; readonly requestId: string };
