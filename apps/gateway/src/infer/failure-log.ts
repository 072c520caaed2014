import type { FailureView } from '@mserve/ops';
import type { TraceContext } from '@mserve/metrics';
import type { Failure } from '@mserve/wire';
import type { IngressRequest } from '../edge/ingress.js';
import { requestIdOf } from '../edge/request-id.js';
import { traceIdOf } from '../edge/trace-headers.js';
import type { InferRequest } from '../protocols/protocol.js';

/** So many are kept. */
const most = 100;
const mostTextLength = 500;
/** Reasons come from a closed set; peers of a newer version may bring others. */
const mostReasons = 200;

/** The requests that failed last, for people. It keeps nothing before {@link isOn} is set: nobody could see it. */
export class FailureLog {
  isOn = false;
  /** Since the start, by reason; of those without one, by code. */
  readonly counts = new Map<string, number>();
  private readonly ring: FailureView[] = [];

  /** `infer` is undefined when the request was refused before it was decoded, `trace` when it is not traced here. */
  add(request: IngressRequest, failure: Pick<Failure, 'code' | 'reason' | 'message'>, infer?: InferRequest, trace?: TraceContext): void {
    if (!this.isOn) return;
    const { code, reason, message } = failure;
    const name = reason ?? code;
    const known = this.counts.get(name);
    if (known !== undefined || this.counts.size < mostReasons) this.counts.set(name, (known ?? 0) + 1);
    const target = infer?.target;
    this.ring.push({
      at: Date.now(),
      servable: target?.servable,
      version: target?.version,
      method: target?.method.name,
      protocol: request.route,
      code,
      reason,
      text: message.slice(0, mostTextLength),
      requestId: requestIdOf(request.headers['x-request-id'], request.token),
      traceId: traceIdOf(trace?.traceparent ?? request.headers['traceparent']),
    });
    if (this.ring.length > most) this.ring.shift();
  }

  /** The newest first. */
  get latest(): readonly FailureView[] {
    return [...this.ring].reverse();
  }
}
