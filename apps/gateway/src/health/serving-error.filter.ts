import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { ServingError } from '@mserve/wire';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppLog } from '@mserve/app';
import { clip } from '../edge/clip.js';
import { httpStatusOf } from '../edge/status.js';
import { oipText } from '../edge/words.js';
import { logToken } from '../edge/tokens.js';
import { suggestedPath } from './suggested-path.js';
import { RouteVerbs } from './route-verbs.js';

/** Texts may name what was asked for, which may be long. */
const maxTextLength = 1000;

/** Errors of Nest's routes as the Open Inference Protocol shapes them: `{"error": text}` and a true status. */
@Catch()
export class ServingErrorFilter implements ExceptionFilter {
  constructor(@Inject(logToken) private readonly log: AppLog) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const { status, text } = this.describe(thrown);
    send(host, status, text, status === 503 ? { 'retry-after': '1' } : {});
  }

  private describe(thrown: unknown): { status: number; text: string } {
    if (thrown instanceof ServingError) return { status: httpStatusOf(thrown), text: oipText(thrown) };
    if (thrown instanceof HttpException) return { status: thrown.getStatus(), text: thrown.message };
    this.log.error({ err: thrown }, 'a route failed');
    return { status: 500, text: 'internal error' };
  }
}

/** The same for requests that no route took: a verb that a path does not have is 405, with Allow, as it is on infer routes. */
export class UnroutedFilter extends ServingErrorFilter {
  constructor(
    @Inject(logToken) log: AppLog,
    @Inject(RouteVerbs) private readonly verbs: RouteVerbs,
  ) {
    super(log);
  }

  override catch(thrown: unknown, host: ArgumentsHost): void {
    const { method, url } = host.switchToHttp().getRequest<FastifyRequest>();
    // Before anything else that may be wrong with it, such as its body: nobody has such a path
    const meant = suggestedPath(url);
    if (meant !== '') return send(host, 404, `Cannot ${method} ${clip(url)}${meant}`, {});
    const allowed = this.verbs.of(url);
    if (allowed.length === 0 || allowed.includes(method)) super.catch(thrown, host);
    else
      send(host, 405, `${method} is not supported here, ${allowed.join(' and ')} ${allowed.length === 1 ? 'is' : 'are'}`, {
        allow: allowed.join(', '),
      });
  }
}

function send(host: ArgumentsHost, status: number, text: string, headers: Record<string, string>): void {
  const error = shortened(text);
  void host.switchToHttp().getResponse<FastifyReply>().status(status).headers(headers).send({ error });
}

/** A text as long as an answer should have it. */
export function shortened(text: string): string {
  return text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength)}...`;
}
