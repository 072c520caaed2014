import type { Count, MetricDeclaration, MetricRegistry, Series } from '@mserve/metrics';
import type { InferRoute } from '../edge/ingress.js';
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
  forged: {
    name: 'mserve_gateway_forged_instances_total',
    help: 'Results and refusals of requests in hand that were dropped, because their sender was not given the instances.',
  },
  resent: { name: 'mserve_gateway_tickets_resent_total', help: 'Tickets sent to a scheduler again.' },
  moved: {
    name: 'mserve_gateway_requests_moved_total',
    help: 'Requests that named no version and began again with another one, because theirs was unloaded before they ran.',
  },
  waited: {
    name: 'mserve_gateway_requests_waited_total',
    help: 'Requests that waited because the bus, every scheduler, or every worker that has their version was away (unavailableGraceMs).',
  },
  undelivered: { name: 'mserve_gateway_tickets_undelivered_total', help: 'Tickets that no scheduler took.' },
  inHand: { name: 'mserve_gateway_requests_in_hand', help: 'Requests that are being worked at: taken, and not answered.' },
  oldest: { name: 'mserve_gateway_oldest_request_seconds', help: 'How long the oldest request in hand has been there; 0 without one.' },
  sentByProtocol: {
    name: 'mserve_gateway_protocol_requests_total',
    help: 'Requests that were decoded and sent to a scheduler, by protocol.',
    labels: [{ name: 'protocol', values: ['ms-rest', 'ms-grpc', 'oip-rest', 'oip-grpc'] }],
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** What the infer path has counted since its start. */
export interface InferStats {
  readonly received: number;
  readonly answered: number;
  /** Requests refused as a whole, by code. */
  readonly refused: Partial<Readonly<Record<ServingErrorCode, number>>>;
  readonly gone: number;
  readonly late: number;
  readonly forged: number;
  readonly resent: number;
  readonly moved: number;
  readonly waited: number;
  readonly undelivered: number;
}

/** What the infer path counts; {@link inferMetrics} says what each is. */
export class InferCounters {
  readonly received: Count;
  readonly answered: Count;
  readonly gone: Count;
  readonly late: Count;
  readonly forged: Count;
  readonly resent: Count;
  readonly moved: Count;
  readonly waited: Count;
  readonly undelivered: Count;
  /** By protocol. */
  readonly sent: Readonly<Record<InferRoute, Count>>;
  private readonly refused: Series<Count>;

  constructor(registry: MetricRegistry) {
    const of = (declaration: MetricDeclaration): Count => registry.counter(declaration).of([]);
    this.received = of(inferMetrics.received);
    this.answered = of(inferMetrics.answered);
    this.gone = of(inferMetrics.gone);
    this.late = of(inferMetrics.late);
    this.forged = of(inferMetrics.forged);
    this.resent = of(inferMetrics.resent);
    this.moved = of(inferMetrics.moved);
    this.waited = of(inferMetrics.waited);
    this.undelivered = of(inferMetrics.undelivered);
    this.refused = registry.counter(inferMetrics.refused);
    const sent = registry.counter(inferMetrics.sentByProtocol);
    this.sent = {
      'ms-rest': sent.of(['ms-rest']),
      'ms-grpc': sent.of(['ms-grpc']),
      'oip-rest': sent.of(['oip-rest']),
      'oip-grpc': sent.of(['oip-grpc']),
    };
  }

  countRefused(code: ServingErrorCode, reason: Reason | undefined): void {
    this.refused.of([code, reason ?? '']).add();
  }

  get stats(): InferStats {
    const { received, answered, gone, late, forged, resent, moved, waited, undelivered } = this;
    const refused: Partial<Record<ServingErrorCode, number>> = {};
    for (const { values, state } of this.refused.all) {
      const code = values[0] as ServingErrorCode;
      refused[code] = (refused[code] ?? 0) + state.value;
    }
    return {
      ...{ received: received.value, answered: answered.value, gone: gone.value, late: late.value, forged: forged.value },
      ...{ resent: resent.value, moved: moved.value, waited: waited.value, undelivered: undelivered.value, refused },
    };
  }
}

/** What is in hand, shown whenever the registry is read. `cameAt`: on performance.now()'s clock. */
export function showInHand(registry: MetricRegistry, inHand: () => readonly { readonly cameAt: number }[]): void {
  const count = registry.gauge(inferMetrics.inHand).of([]);
  const oldest = registry.gauge(inferMetrics.oldest).of([]);
  registry.beforeRead(() => {
    const list = inHand();
    const now = performance.now();
    count.set(list.length);
    oldest.set(list.reduce((longest, { cameAt }) => Math.max(longest, (now - cameAt) / 1000), 0));
  });
}
