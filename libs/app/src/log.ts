import type { LoggerService } from '@nestjs/common';
import type { FleetSettings } from '@mserve/config';
import { destination, pino, type Logger } from 'pino';

/** The least serious lines that a log shows. */
export type LogLevel = FleetSettings['logLevel'];

/** A log of JSON lines on stderr. Lines that cannot be written (closed pipe, full disk) are dropped: the app goes on. */
export function createLog(level: LogLevel, name: string): Logger {
  const lines = destination({ dest: 2, sync: false });
  lines.on('error', () => undefined);
  return pino({ level, name }, lines);
}

/** Where an app writes what operators should know: never a client's tensors, never a key. A pino logger fits. */
export interface AppLog {
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
  debug(fields: Readonly<Record<string, unknown>>, text: string): void;
  /** Whether lines of this level are written: asked once, at start, where every request may write one. Absent: they are. */
  isLevelEnabled?(level: 'debug'): boolean;
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
