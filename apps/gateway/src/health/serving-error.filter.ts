import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { ServingError } from '@mserve/wire';
import type { FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { clip } from '../protocols/json/json-syntax.js';
import { httpStatusOf } from '../protocols/status.js';
import { logToken } from '../tokens.js';

/** Errors of Nest's routes as the Open Inference Protocol shapes them: `{"error": text}` and a true status. */
@Catch()
export class ServingErrorFilter implements ExceptionFilter {
  constructor(@Inject(logToken) private readonly log: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const { status, text } = this.describe(thrown);
    void reply.status(status).headers(status === 503 ? { 'retry-after': '1' } : {}).send({ error: text });
  }

  private describe(thrown: unknown): { status: number; text: string } {
    if (thrown instanceof ServingError) return { status: httpStatusOf(thrown.code), text: thrown.message };
    if (thrown instanceof HttpException) return { status: thrown.getStatus(), text: clip(thrown.message) };
    this.log.error({ err: thrown }, 'a route failed');
    return { status: 500, text: 'internal error' };
  }
}
