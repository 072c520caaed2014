import type { AppLog } from '@mserve/app';
import type { Span, Tracer } from '@mserve/metrics';
import { ServingError } from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from '../edge/ingress.js';
import { requestIdOf } from '../edge/request-id.js';
import type { InferRequest, Protocols } from '../protocols/protocol.js';
import type { InferCounters } from './counters.js';
import type { FailureLog } from './failure-log.js';
import { lastResort, withHttpHeaders, withTrace } from './refusal-answer.js';
import type { RequestLog } from './request-log.js';
import { spanOfRefusal } from './request-span.js';

/** Refuses infer requests as a whole: shapes the answer in their own protocol, counts and logs it. Never throws. */
export class Refusals {
  /** The level debug is on. */
  private readonly logsAll: boolean;

  constructor(
    private readonly protocols: Protocols,
    private readonly counters: InferCounters,
    private readonly failures: FailureLog,
    private readonly requests: RequestLog,
    private readonly log: AppLog,
    private readonly tracer: Tracer | undefined,
  ) {
    this.logsAll = log.isLevelEnabled?.('debug') ?? true;
  }

  /** `infer` and `span` (undefined where it is not traced) are there when it was accepted before. */
  answerOf(request: IngressRequest, error: ServingError, infer?: InferRequest, span?: Span): IngressAnswer {
    const traced = infer === undefined ? this.tracer && spanOfRefusal(this.tracer, request, error) : span;
    const answer = this.shape(request, error, infer, traced);
    return traced === undefined ? answer : withTrace(answer, traced);
  }

  private shape(request: IngressRequest, error: ServingError, infer?: InferRequest, span?: Span): IngressAnswer {
    this.counters.countRefused(error.code, error.reason);
    this.failures.add(request, error, infer, span);
    this.report(request, error);
    let answer: IngressAnswer;
    try {
      answer = this.protocols[request.route].refuse(request, error);
      if (answer.kind === 'http') answer = withHttpHeaders(request, answer);
    } catch (bug) {
      this.report(request, ServingError.from(bug));
      answer = lastResort(request);
    }
    this.requests.refused(request, error, answer, infer, span);
    return answer;
  }

  private report(request: IngressRequest, error: ServingError): void {
    const { log } = this;
    const isBug = error.code === 'INTERNAL';
    if (!isBug && !this.logsAll) return;
    const requestId = requestIdOf(request.headers['x-request-id'], request.token);
    if (isBug) log.error({ request: request.token, requestId, route: request.route, err: error.cause ?? error }, error.message);
    else log.debug({ request: request.token, requestId, route: request.route, code: error.code }, error.message);
  }
}
