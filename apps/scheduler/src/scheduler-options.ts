import { defaults, ownSettings, type OwnSettingsOf } from '@mserve/config';

/** What a scheduler can be told: its own settings (see their declarations), and how often it says that it is there. */
export interface SchedulerOptions extends OwnSettingsOf<'scheduler'> {
  readonly helloMs: number;
}

/** What a scheduler does when nobody says otherwise. How often it says hello is a constant of the fleet, no setting. */
export const defaultSchedulerOptions: SchedulerOptions = { ...ownSettings('scheduler', defaults.scheduler), helloMs: 250 };

/** Settings that a running scheduler takes anew, see {@link SchedulerService.limitQueue}. */
export const liveSchedulerKeys = ['maxQueuedRequests', 'maxQueuedInstances'] as const;
