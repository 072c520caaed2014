import { writeSync } from 'node:fs';
import type { LoggerService } from '@nestjs/common';
import type { FleetSettings } from '@mserve/config';
import { destination, pino, type Logger } from 'pino';
import { prettyLine } from './pretty-line.js';
import { WriteFailures } from './write-failures.js';

/** The least serious lines that a log shows. */
export type LogLevel = FleetSettings['logLevel'];

/** How a log is written. */
export type LogFormat = FleetSettings['logFormat'];

/** Lines that wait for a pipe or a disk, in bytes; further ones are dropped. */
const longestWait = 1024 * 1024;

/** A log on stderr, of JSON lines by default. Lines that cannot be written (closed pipe, full disk) are dropped and counted: the app goes on. */
export function createLog(
  level: LogLevel,
  name: string,
  format: LogFormat = 'json',
  failures = new WriteFailures(),
): Logger & Required<Pick<AppLog, 'writeFailures'>> {
  const lines = destination({ dest: 2, sync: false, maxLength: longestWait });
  const count = (): boolean => {
    failures.count++;
    return true;
  };
  lines.on('drop', count);
  lines.on('error', (error: NodeJS.ErrnoException) => {
    count();
    // Nobody will read it any more
    if (error.code === 'EPIPE') lines.write = count;
  });
  // pino calls it when the process exits. SonicBoom's own tries a full disk without end
  lines.flushSync = () => {
    const waiting: unknown = Reflect.get(lines, '_bufs');
    if (!Array.isArray(waiting)) return;
    try {
      for (const text of waiting.splice(0)) writeSync(2, String(text));
    } catch {
      count();
    }
  };
  const writeFailures = (): number => failures.count;
  if (format === 'json') return Object.assign(pino({ level, name }, lines), { writeFailures });
  const toPretty = { write: (line: string) => void lines.write(prettyLine(line)) };
  // pino flushes what it writes to itself, which is not the file here
  return Object.assign(pino({ level, name }, toPretty), { writeFailures, flush: (done?: (error?: Error) => void) => lines.flush(done) });
}

/** Where an app writes what operators should know: never a client's tensors, never a key. A pino logger fits. */
export interface AppLog {
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
  debug(fields: Readonly<Record<string, unknown>>, text: string): void;
  /** How often lines, or others on the process' stdout and stderr, could not be written. Absent: nobody counts. */
  writeFailures?(): number;
  /** Whether lines of this level are written: asked once, at start, where every request may write one. Absent: they are. */
  isLevelEnabled?(level: 'debug'): boolean;
}

/** A warning for each. */
export function warnEach(log: AppLog, texts: readonly string[]): void {
  for (const text of texts) log.warn({}, text);
}

/** A log that adds fields to each line. */
export function logWith(log: AppLog, fields: Readonly<Record<string, unknown>>): AppLog {
  return {
    info: (own, text) => log.info({ ...fields, ...own }, text),
    warn: (own, text) => log.warn({ ...fields, ...own }, text),
    error: (own, text) => log.error({ ...fields, ...own }, text),
    debug: (own, text) => log.debug({ ...fields, ...own }, text),
    isLevelEnabled: (level) => log.isLevelEnabled?.(level) ?? true,
  };
}

/** A log that nobody reads. */
export const silentLog: AppLog = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
  isLevelEnabled: () => false,
};

/** Nest's own warnings and errors, in the app's log. Its lines about every route and module at start are left out: they matter to developers only. */
export class NestLog implements LoggerService {
  constructor(private readonly lines: AppLog) {}

  log(): void {}

  debug(): void {}

  verbose(): void {}

  warn(message: unknown, ...rest: unknown[]): void {
    this.lines.warn(contextOf(rest), String(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    if (message instanceof Error) this.lines.error({ ...contextOf(rest), err: message }, message.message);
    else this.lines.error(contextOf(rest), String(message));
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.error(message, ...rest);
  }
}

/** Nest passes the context last, and for errors a stack before it. */
function contextOf(rest: readonly unknown[]): { context?: string; stack?: string } {
  const texts = rest.filter((part): part is string => typeof part === 'string');
  const context = texts.at(-1);
  return texts.length > 1 ? { context, stack: texts[0] } : { context };
}
