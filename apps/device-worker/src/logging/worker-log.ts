import type { LoggerService } from '@nestjs/common';
import { destination, pino, type Logger } from 'pino';
import type { WorkerLog } from '../replica/worker-options.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** A log of JSON lines on stderr. Lines that cannot be written (closed pipe, full disk) are dropped: serving goes on. */
export function createLog(level: LogLevel): Logger {
  const lines = destination({ dest: 2, sync: false });
  lines.on('error', () => undefined);
  return pino({ level, name: 'device-worker' }, lines);
}

/** What Nest itself complains of, in the same log; what it only mentions is of interest to nobody. */
export class NestLog implements LoggerService {
  constructor(private readonly lines: WorkerLog) {}

  log(): void {}

  debug(): void {}

  verbose(): void {}

  warn(message: unknown): void {
    this.lines.warn({}, String(message));
  }

  error(message: unknown): void {
    this.lines.error(message instanceof Error ? { err: message } : {}, message instanceof Error ? message.message : String(message));
  }

  fatal(message: unknown): void {
    this.error(message);
  }
}
