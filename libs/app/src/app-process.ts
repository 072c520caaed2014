import {
  ConfigError,
  loadSettings,
  namedAsGiven,
  OutputRequested,
  type AppName,
  type FleetSettings,
  type LoadedSettings,
  type Origins,
  type SettingsOf,
} from '@mserve/config';
import { ServingError } from '@mserve/wire';
import type { Logger } from 'pino';
import { LiveSettings } from './live-settings.js';
import { createLog, warnEach } from './log.js';
import { answerWhetherAlive, parentAsksToEnd, type ParentHost } from './parent.js';
import { takeSignals, type SignalHost } from './signals.js';
import { WriteFailures } from './write-failures.js';

/** What an app's process consists of. */
export interface AppOptions<Name extends AppName> {
  /** Whose settings are loaded; also in log lines and messages. */
  readonly name: Name;
  /** Errors whose message is meant for the operator; ConfigError and ServingError always are. */
  readonly isExpected?: (error: unknown) => boolean;
  /** Does the app's work until `asked` is aborted; resolves with the exit code. */
  readonly work: (
    settings: SettingsOf<Name>,
    log: Logger,
    asked: AbortSignal,
    live: LiveSettings<SettingsOf<Name> & FleetSettings>,
  ) => Promise<number>;
}

/** The part of `process` that an app's frame needs; only main.ts has the real one. */
export type HostProcess = Pick<NodeJS.Process, 'argv' | 'env' | 'stdout' | 'stderr'> & SignalHost & ParentHost;

/** ` (EADDRINUSE)` and the like, where the system gave the reason; the texts about public ports, which are the original's, do not tell it. */
function systemCodeOf({ cause }: Error): string {
  if (!(cause instanceof Error)) return '';
  const { code } = cause as NodeJS.ErrnoException;
  return typeof code === 'string' && code.startsWith('E') ? ` (${code})` : '';
}

/**
 * The frame of an app that is a process of its own: configuration, log, signals, exit code. Resolves with that code: what `work` says;
 * 78 for a wrong configuration or anything else that the operator has to change; 1 for a bug. Messages go to stderr. `argv`: its flags.
 */
export async function runApp<Name extends AppName>(
  host: HostProcess,
  options: AppOptions<Name>,
  argv: readonly string[] = host.argv.slice(2),
): Promise<number> {
  const { name, work } = options;
  answerWhetherAlive(host);
  const { toEnd, onReload } = takeSignals(host);
  const asked = AbortSignal.any([toEnd, parentAsksToEnd(host)]);
  const failures = new WriteFailures();
  failures.watch(host.stdout, host.stderr);
  let log: Logger | undefined;
  let origins: Origins = {};
  try {
    const load = (): Promise<LoadedSettings<Name>> =>
      loadSettings({ program: name, usage: `npx nx serve ${name} --`, argv, env: host.env });
    // Every app has the settings of the fleet, which the compiler does not see of an app that it does not know
    const read = async (): Promise<SettingsOf<Name> & FleetSettings> => (await load()).settings as SettingsOf<Name> & FleetSettings;
    const { origins: given, settings: chosen, unused } = await load();
    origins = given;
    const settings = chosen as SettingsOf<Name> & FleetSettings;
    const appLog = createLog(settings.logLevel, name, settings.logFormat, failures);
    log = appLog;
    warnEach(appLog, unused);
    const live = new LiveSettings(settings, read);
    live.takeLogLevel(appLog);
    onReload(() => void live.reload(appLog));
    return await work(settings, log, asked, live);
  } catch (thrown) {
    const error = namedAsGiven(thrown, origins);
    if (error instanceof OutputRequested) {
      host.stdout.write(`${error.message}\n`);
      return 0;
    }
    if (error instanceof ServingError && error.code === 'CANCELLED' && asked.aborted) return 0;
    const expected = error instanceof ConfigError || error instanceof ServingError || options.isExpected?.(error) === true;
    host.stderr.write(
      `${name}: ${error instanceof Error ? (expected ? `${error.message}${systemCodeOf(error)}` : (error.stack ?? error.message)) : String(error)}\n`,
    );
    return expected ? ConfigError.exitCode : 1;
  } finally {
    await new Promise<void>((resolve) => (log === undefined ? resolve() : log.flush(() => resolve())));
  }
}
