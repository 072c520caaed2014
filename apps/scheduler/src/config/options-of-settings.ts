import { ownSettings, type OwnSettingsOf, type SettingsOf } from '@mserve/config';

/** The settings of a scheduler as its options. */
export function schedulerOptionsOf(settings: SettingsOf<'scheduler'>): OwnSettingsOf<'scheduler'> {
  return ownSettings('scheduler', settings);
}
