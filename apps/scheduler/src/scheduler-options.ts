import { defaults } from '@mserve/config';
import { type DispatchOptions, defaultDispatchOptions } from './dispatch/dispatch-options.js';

/** What a scheduler can be told. */
export interface SchedulerOptions extends DispatchOptions {
  /** How often the scheduler says that it is there. */
  readonly helloMs: number;
  /** A worker that was not heard for longer is lost. */
  readonly workerLostMs: number;
  /** The same for a worker that an assignment could not be delivered to. */
  readonly suspectLostMs: number;
  /** After the bus was down, how long queued requests wait for workers to be heard again. */
  readonly busReturnMs: number;
}

const declared = defaults.scheduler;

/** What the settings of a scheduler are when nobody gives them. How often it says hello is a constant of the fleet, no setting. */
export const defaultSchedulerOptions: SchedulerOptions = {
  ...defaultDispatchOptions,
  helloMs: 250,
  workerLostMs: declared.workerLostMs,
  suspectLostMs: declared.suspectLostMs,
  busReturnMs: declared.busReturnMs,
};
