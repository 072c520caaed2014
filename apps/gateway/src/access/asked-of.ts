import type { Asked } from '../edge/access.js';

const healthPath = /^\/(?:healthz|livez|readyz|ping|v2\/health\/(?:live|ready)|v2\/models\/[^?]+\/ready)\/?(?:\?|$)/;

/** What a request asks that is for no infer route. What only reads is metadata; whatever else changes something, known or not. */
export function askedOfPath(verb: string | undefined, url: string): Asked {
  if (verb === 'GET' || verb === 'HEAD') return healthPath.test(url) ? 'health' : 'metadata';
  return /^\/v2\/repository\/index\/?(?:\?|$)/.test(url) ? 'metadata' : 'control';
}

const oip = '/inference.GRPCInferenceService/';
const healthRpcs: ReadonlySet<string> = new Set([`${oip}ServerLive`, `${oip}ServerReady`, `${oip}ModelReady`]);
const controlRpcs: ReadonlySet<string> = new Set([`${oip}RepositoryModelLoad`, `${oip}RepositoryModelUnload`]);

/** What a call asks of an rpc that is no infer rpc. */
export function askedOfRpc(path: string): Asked {
  if (healthRpcs.has(path) || path.startsWith('/grpc.health.v1.Health/')) return 'health';
  return controlRpcs.has(path) ? 'control' : 'metadata';
}

/** The servable or model that an infer path names; undefined where that cannot be told before it is read as a whole. */
export function modelOfPath(url: string): string | undefined {
  const segment = /^\/(?:v2\/models|model)\/([^/:?]+)/.exec(url)?.[1];
  try {
    return segment === undefined ? undefined : decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
