import type { AppLog } from '@mserve/app';
import { defaults, type OwnSettingsOf } from '@mserve/config';
import type { TraceContext } from '@mserve/metrics';
import type { Failure, ServingError, StepTimes } from '@mserve/wire';
import type { IngressAnswer, IngressRequest } from '../edge/ingress.js';
import { requestIdOf } from '../edge/request-id.js';
import { traceIdOf } from '../edge/trace-headers.js';
import type { InferRequest } from '../protocols/protocol.js';
import type { PendingRequest } from './pending-request.js';

/** Settings of the gateway, see their declarations. */
export type RequestLogOptions = Partial<Pick<OwnSettingsOf<'gateway'>, 'accessLog' | 'accessLogEvery' | 'slowRequestMs'>>;

/** Lines of the log about single infer requests: one when it is answered, and one when that took long. Never what is in them. */
export class RequestLog {
  private readonly access: boolean;
  private readonly every: number;
  private readonly slowMs: number;
  private succeeded = 0;

  constructor(
    private readonly log: AppLog,
    { accessLog, accessLogEvery, slowRequestMs }: RequestLogOptions,
  ) {
    this.access = accessLog ?? defaults.gateway.accessLog;
    this.every = accessLogEvery ?? defaults.gateway.accessLogEvery;
    this.slowMs = slowRequestMs ?? defaults.gateway.slowRequestMs;
  }

  /** Off: nobody need call the others. */
  get isOn(): boolean {
    return this.access || this.slowMs > 0;
  }

  /** Answers shall tell where their time went. */
  get seesSlow(): boolean {
    return this.slowMs > 0;
  }

  /** Answered with results, of which `failed` (a code or reason) is the first failure. `encodeFrom`: when they were there, on performance.now()'s clock. */
  answered(pending: PendingRequest, answer: IngressAnswer, encodeFrom: number, failed: string | undefined): void {
    const { request, infer, cameAt } = pending;
    const now = performance.now();
    if (this.isSlow(pending, now)) this.tellSlow(pending, encodeFrom, now, failed);
    if (!this.access) return;
    if (failed === undefined && this.succeeded++ % this.every !== 0) return;
    const outcome = { ...(failed !== undefined && { reason: failed }), ...aboutTrace(pending.span) };
    const sizes = { bytesIn: request.body.byteLength, bytesOut: bytesOf(answer) };
    this.log.info(
      { ...aboutRequest(request), ...aboutTarget(infer), ...statusOf(answer), ...outcome, ms: round(now - cameAt), ...sizes },
      'request',
    );
  }

  /** It was accepted, and then refused as a whole. */
  failed(pending: PendingRequest, error: Pick<Failure, 'code' | 'reason'>): void {
    const now = performance.now();
    if (this.isSlow(pending, now)) this.tellSlow(pending, now, now, error.reason ?? error.code);
  }

  private isSlow({ cameAt }: PendingRequest, now: number): boolean {
    return this.slowMs > 0 && now - cameAt > this.slowMs;
  }

  private tellSlow(pending: PendingRequest, encodeFrom: number, now: number, reason: string | undefined): void {
    const { request, infer, cameAt, decodedAt, steps } = pending;
    const times = {
      ms: round(now - cameAt),
      decodeMs: round(decodedAt - cameAt),
      awayMs: round(encodeFrom - decodedAt),
      ...(steps !== undefined && inMs(steps)),
      encodeMs: round(now - encodeFrom),
    };
    const outcome = { ...(reason !== undefined && { reason }), ...aboutTrace(pending.span) };
    this.log.warn({ ...aboutRequest(request), ...aboutTarget(infer), ...times, ...outcome }, 'a request took long');
  }

  /** Refused as a whole; `infer` and `cameAt` are undefined where it was not decoded. */
  refused(request: IngressRequest, error: ServingError, answer: IngressAnswer, infer?: InferRequest, trace?: TraceContext): void {
    if (!this.access) return;
    const { code, reason = code } = error;
    this.log.info({ ...aboutRequest(request), ...aboutTarget(infer), ...statusOf(answer), code, reason, ...aboutTrace(trace) }, 'request');
  }

  /** Its client left before the answer. */
  gone({ request, infer, cameAt }: PendingRequest): void {
    if (!this.access) return;
    this.log.info(
      { ...aboutRequest(request), ...aboutTarget(infer), reason: 'client-gone', ms: round(performance.now() - cameAt) },
      'request',
    );
  }
}

function aboutRequest(request: IngressRequest): Readonly<Record<string, unknown>> {
  return { requestId: requestIdOf(request.headers['x-request-id'], request.token), protocol: request.route };
}

function aboutTarget(infer: InferRequest | undefined): Readonly<Record<string, unknown>> {
  if (infer === undefined) return {};
  const { target, instances } = infer;
  return { servable: target.servable, version: target.version, method: target.method.name, instances: instances.length };
}

/** Where it is traced here. */
function aboutTrace(span: TraceContext | undefined): Readonly<Record<string, unknown>> {
  const traceId = traceIdOf(span?.traceparent);
  return traceId === undefined ? {} : { traceId };
}

/** Of {@link PendingRequest.steps}. */
function inMs({ queuedUs, waitUs, runUs, functionUs }: StepTimes): Readonly<Record<string, number>> {
  return { queueMs: queuedUs / 1000, waitMs: waitUs / 1000, runMs: runUs / 1000, functionMs: functionUs / 1000 };
}

/** Of HTTP, or the number of gRPC. */
function statusOf(answer: IngressAnswer): { readonly status: number } {
  return { status: answer.kind === 'grpc' ? 0 : answer.status };
}

function bytesOf(answer: IngressAnswer): number {
  const parts = answer.kind === 'http' ? answer.body : answer.kind === 'grpc' ? answer.message : [];
  return parts.reduce((sum, part) => sum + (typeof part === 'string' ? Buffer.byteLength(part) : part.byteLength), 0);
}

/** To microseconds. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
