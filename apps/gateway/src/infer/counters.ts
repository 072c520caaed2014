import type { Count, MetricDeclaration, MetricRegistry, Series } from '@mserve/metrics';
import { reasons, servingErrorCodes, type Reason, type ServingErrorCode } from '@mserve/wire';

/** The metrics of the infer path. */
export const inferMetrics = {
  received: { name: 'mserve_gateway_requests_received_total', help: 'Requests taken from the ingress, refused ones included.' },
  answered: {
    name: 'mserve_gateway_requests_answered_total',
    help: 'Requests answered with results; single instances of them may have failed.',
  },
  refused: {
    name: 'mserve_gateway_requests_refused_total',
    help: 'Requests refused as a whole, by code and reason.',
    labels: [
      { name: 'code', values: servingErrorCodes },
      { name: 'reason', values: ['', ...reasons] },
    ],
  },
  gone: { name: 'mserve_gateway_requests_gone_total', help: 'Requests whose client left before the answer.' },
  late: {
    name: 'mserve_gateway_late_instances_total',
    help: 'Results and refusals that came for nobody: answered before, expired, or of a second attempt.',
  },
  resent: { name: 'mserve_gateway_tickets_resent_total', help: 'Tickets sent to a scheduler again.' },
  moved: {
    name: 'mserve_gateway_requests_moved_total',
    help: 'Requests that named no version and began again with another one, because theirs was unloaded before they ran.',
  },
  undelivered: { name: 'mserve_gateway_tickets_undelivered_total', help: 'Tickets that no scheduler took.' },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** What the infer path has counted since its start. */
export interface InferStats {
  readonly received: number;
  readonly answered: number;
  /** Requests refused as a whole, by code. */
  readonly refused: Partial<Readonly<Record<ServingErrorCode, number>>>;
  readonly gone: number;
  readonly late: number;
  readonly resent: number;
  readonly moved: number;
  readonly undelivered: number;
}

/** What the infer path counts; {@link inferMetrics} says what each is. */
export class InferCounters {
  readonly received: Count;
  readonly answered: Count;
  readonly gone: Count;
  readonly late: Count;
  readonly resent: Count;
  readonly moved: Count;
  readonly undelivered: Count;
  private readonly refused: Series<Count>;

  constructor(registry: MetricRegistry) {
    const of = (declaration: MetricDeclaration): Count => registry.counter(declaration).of([]);
    this.received = of(inferMetrics.received);
    this.answered = of(inferMetrics.answered);
    this.gone = of(inferMetrics.gone);
    this.late = of(inferMetrics.late);
    this.resent = of(inferMetrics.resent);
    this.moved = of(inferMetrics.moved);
    this.undelivered = of(inferMetrics.undelivered);
    this.refused = registry.counter(inferMetrics.refused);
  }

  countRefused(code: ServingErrorCode, reason: Reason | undefined): void {
    this.refused.of([code, reason ?? '']).add();
  }

  get stats(): InferStats {
    const { received, answered, gone, late, resent, moved, undelivered } = this;
    const refused: Partial<Record<ServingErrorCode, number>> = {};
    for (const { values, state } of this.refused.all) {
      const code = values[0] as ServingErrorCode;
      refused[code] = (refused[code] ?? 0) + state.value;
    }
    return {
      ...{ received: received.value, answered: answered.value, gone: gone.value, late: late.value },
      ...{ resent: resent.value, moved: moved.value, undelivered: undelivered.value, refused },
    };
  }
}
