import { type DispatchOptions, defaultDispatchOptions } from './dispatch/dispatch-options.js';

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

export const defaultSchedulerOptions: SchedulerOptions = {
  ...defaultDispatchOptions,
  helloMs: 250,
  workerLostMs: 1_000,
  suspectLostMs: 400,
  busReturnMs: 3_000,
};

/** Where the scheduler writes what operators should know; a pino logger fits. */
export interface SchedulerLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}
