import type { LiveSettings } from '@mserve/app';
import type { Asked, WriteFailures } from '@mserve/app/signals';
import type { Tracer } from '@mserve/metrics';
import type { Logger } from 'pino';
import { namedAsGiven, type SettingsOf } from '@mserve/config';
import { CliError } from '../cli-error.js';
import type { RunningServer } from '../server.js';
import { readyText, serveSettings } from './serve.js';
import { print } from './text.js';

/** What ends a server that runs in the foreground, or makes it reload: signals, in main.ts. */
export interface Foreground {
  /** From now on these signals no longer end the process. */
  takeSignals(): Asked;
  /** Of the console. */
  readonly writeFailures: WriteFailures;
}

/** Resolves when the signal is aborted. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** What a server on a console tells, and where. */
export interface ConsoleOptions {
  readonly log: Logger;
  readonly live: LiveSettings<SettingsOf<'server'>>;
  readonly hasDefaultOps: true;
  readonly tracer: Tracer | undefined;
  readonly onProgress: (line: string) => void;
  readonly onWarning: (line: string) => void;
}

/** Loads the settings of a command that serves, starts its server, says when it is ready, and ends it when that is asked for. Rejects as `start` does. */
export async function serveInForeground(
  args: readonly string[],
  foreground: Foreground,
  usage: string,
  start: (settings: SettingsOf<'server'>, options: ConsoleOptions) => Promise<RunningServer>,
): Promise<void> {
  const load = (): ReturnType<typeof serveSettings> => serveSettings(args, process.env, usage);
  const { settings: chosen, switches, origins, unused } = await load();
  const { toEnd, onReload } = foreground.takeSignals();
  const asked = whenAborted(toEnd);
  const [{ createLog, LiveSettings, warnEach }, { startTracing }] = await Promise.all([import('@mserve/app'), import('@mserve/tracing')]);
  const log = createLog(chosen.logLevel, 'server', chosen.logFormat, foreground.writeFailures);
  warnEach(log, unused);
  const live = new LiveSettings(chosen, async () => (await load()).settings);
  live.takeLogLevel(log);
  onReload(() => void live.reload(log));
  const tracing = await startTracing(process.env, 'server', log);
  const toStderr = (line: string): void => void process.stderr.write(`${line}\n`);
  const starting = start(chosen, {
    log,
    live,
    hasDefaultOps: true,
    tracer: tracing?.tracer,
    onProgress: toStderr,
    onWarning: chosen.logLevel === 'silent' ? () => undefined : toStderr,
  }).catch((thrown: unknown) => {
    throw namedAsGiven(thrown, origins);
  });
  const running = await Promise.race([starting, asked.then(() => undefined)]);
  if (running === undefined) {
    starting.catch(() => undefined);
    toStderr('Fail to start workers because of signal SIGINT or SIGTERM');
    return;
  }
  const asJson = switches.has('--json');
  print(
    asJson,
    {
      rest: running.rest,
      grpc: running.grpc,
      admin: running.admin,
      ops: running.ops,
      docs: running.docs,
      servables: running.servables,
      failed: running.failed,
    },
    readyText(running),
  );
  await asked;
  if (!asJson) process.stderr.write('ending: finishing what is in hand (press Ctrl+C again to end at once)\n');
  const cut = await running.close(chosen.graceMs);
  await tracing?.close();
  if (cut > 0) throw new CliError(`${cut} requests were cut off after ${chosen.graceMs} ms`);
}
