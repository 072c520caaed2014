import { join } from 'node:path';
import type { AppLog } from '@mserve/app';
import type { Count, MetricDeclaration } from '@mserve/metrics';
import { RotatingFile } from './rotating-file.js';

export const servingLogMetrics = {
  lost: {
    name: 'mserve_worker_serving_log_lines_lost_total',
    help: 'Lines of the log files of servables (servingLogs) that were dropped: a full disk, a folder that may not be written.',
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** Where the log files of servables are, and how large they become. */
export interface ServingLogOptions {
  readonly folder: string;
  readonly maxBytes: number;
  readonly backups: number;
  /** Counts the lines that are lost. */
  readonly lost: Count;
}

/** Whom a line is about. */
export interface ServingLogSubject {
  readonly servable: string;
  readonly version: number;
  readonly deviceId: number;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The original's serving_logs: a file for each servable version and device, `log_NAME_deviceN_versionV.log`, with what the worker says of it and what its
 * functions print. Lines that cannot be written are counted, said once in the worker's own log, and dropped.
 */
export class ServingLogs {
  private readonly files = new Map<string, RotatingFile>();
  private isBroken = false;
  private log: AppLog | undefined;

  constructor(private readonly options: ServingLogOptions) {}

  /** A log that writes to `log`, and to the files what is about a servable. Debug lines are left out there. */
  over(log: AppLog): AppLog {
    this.log = log;
    return {
      info: (fields, text) => {
        log.info(fields, text);
        this.tell('INFO', fields, text);
      },
      warn: (fields, text) => {
        log.warn(fields, text);
        this.tell('WARNING', fields, text);
      },
      error: (fields, text) => {
        log.error(fields, text);
        this.tell('ERROR', fields, text);
      },
      debug: (fields, text) => log.debug(fields, text),
      isLevelEnabled: (level) => log.isLevelEnabled?.(level) ?? true,
    };
  }

  /** A line that a function printed, as it is. */
  print(subject: ServingLogSubject, line: string): void {
    this.write(subject, `${line}\n`);
  }

  /** Resolves when everything so far is written or lost. */
  async flush(): Promise<void> {
    await Promise.all([...this.files.values()].map((file) => file.flush()));
  }

  private tell(level: string, fields: Fields, text: string): void {
    const { servable, version, deviceId } = fields;
    if (typeof servable !== 'string') return;
    const subject = { servable, version: typeof version === 'number' ? version : undefined, deviceId: deviceId as number | undefined };
    this.write(subject, lineOf(level, subject, fields, text));
  }

  private write({ servable, version, deviceId }: Partial<ServingLogSubject>, text: string): void {
    const device = deviceId === undefined ? '' : `_device${deviceId}`;
    const name = `log_${servable}${device}_version${version ?? 0}.log`;
    let file = this.files.get(name);
    if (file === undefined) {
      const { folder, maxBytes, backups } = this.options;
      file = new RotatingFile(join(folder, name), {
        maxBytes,
        backups,
        onLost: (lines, reason) => this.onLost(name, lines, reason),
        onIdle: () => this.files.delete(name),
      });
      this.files.set(name, file);
    }
    file.write(text);
  }

  private onLost(file: string, lines: number, reason: unknown): void {
    this.options.lost.add(lines);
    if (this.isBroken) return;
    this.isBroken = true;
    this.log?.warn(
      { folder: this.options.folder, file, err: reason },
      'log files of servables cannot be written: lines are dropped and counted',
    );
  }
}

/** In the form of the original: `[LEVEL] SERVING(pid,tid,program):time [servable:version] device N] message`. */
function lineOf(level: string, { servable, version, deviceId }: Partial<ServingLogSubject>, fields: Fields, text: string): string {
  const { servable: _servable, version: _version, deviceId: _device, err, ...rest } = fields;
  const more = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
  const cause = err === undefined ? '' : `: ${err instanceof Error ? (err.stack ?? err.message) : String(err)}`;
  const device = deviceId === undefined ? '' : ` device ${deviceId}]`;
  return `[${level}] SERVING(${process.pid},${process.pid},mserve):${timeText(new Date())} [${servable}:${version ?? 0}]${device} ${text}${more}${cause}\n`;
}

/** Local time, as the original writes it; microseconds are not known. */
function timeText(now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = [String(now.getFullYear()), two(now.getMonth() + 1), two(now.getDate())].join('-');
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(':');
  return `${day}-${time}.${String(now.getMilliseconds()).padStart(3, '0')}.000`;
}
