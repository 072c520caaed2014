import { optional, setting } from './setting.js';
import { path, whole } from './shape.js';

const worker = ['device-worker'] as const;

/** The settings of the log files of servables. */
export const servingLogSettings = {
  servingLogs: optional(path(), {
    doc: 'folder of log files, one for each servable version and device (docs/observability.md)',
    apps: worker,
    otherwise: 'no such files',
  }),
  servingLogMaxMb: setting(whole(1, 10_240), {
    doc: 'a file of servingLogs that is larger is moved aside, and begun anew',
    apps: worker,
    default: 50,
    unit: 'MiB',
  }),
  servingLogBackups: setting(whole(0, 1_000), {
    doc: 'how many files of servingLogs that were moved aside are kept, for each servable version and device',
    apps: worker,
    default: 30,
  }),
};
