import { Inject, Injectable } from '@nestjs/common';
import type { AppLog } from '@mserve/app';
import type { FastifyRequest } from 'fastify';
import { logToken } from './tokens.js';

/** One line of the log for each change that somebody asked for, whatever became of it. Of level warn, so that the default of `mserve serve` shows it. */
@Injectable()
export class Audit {
  constructor(@Inject(logToken) private readonly log: AppLog) {}

  /** Writes the line when `act` has ended, and passes on what it gave. `from`: address of the client. */
  async of<T extends object | undefined>(action: string, servable: string, from: string | undefined, act: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const tell = (outcome: object, text: string): void =>
      this.log.warn({ audit: true, action, servable, from, ms: Math.round(performance.now() - startedAt), ...outcome }, text);
    try {
      const change = await act();
      tell({ change }, `admin: ${action} of ${servable}`);
      return change;
    } catch (error) {
      tell({ error: error instanceof Error ? error.message : String(error) }, `admin: ${action} of ${servable} was refused`);
      throw error;
    }
  }
}

/** Where a request came from, for the audit. */
export function clientOf(request: FastifyRequest): string | undefined {
  return request.raw.socket.remoteAddress;
}
