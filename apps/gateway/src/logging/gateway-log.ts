import { destination, pino, type Logger } from 'pino';
import type { LoggerService } from '@nestjs/common';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * A log of JSON lines on stderr. Lines that cannot be written (closed pipe, full disk) are dropped: serving goes on.
 */
export function createLog(level: LogLevel, name: string): Logger {
  const lines = destination({ dest: 2, sync: false });
  lines.on('error', () => undefined);
  return pino({ level, name }, lines);
}

/** Nest's own messages, in the same log. */
export class NestLog implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    // Nest tells of every route and module at start: of interest only to its developers
    this.logger.debug(nestFields(rest), String(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.logger.error({ ...nestFields(rest), err: message instanceof Error ? message : undefined }, message instanceof Error ? message.message : String(message));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn(nestFields(rest), String(message));
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.logger.debug(nestFields(rest), String(message));
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.logger.trace(nestFields(rest), String(message));
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.logger.fatal(nestFields(rest), String(message));
  }
}

/** Nest passes the context last, and for errors a stack before it. */
function nestFields(rest: readonly unknown[]): { context?: string; stack?: string } {
  const texts = rest.filter((part): part is string => typeof part === 'string');
  const context = texts.at(-1);
  return texts.length > 1 ? { context, stack: texts[0] } : { context };
}
