import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { parseAddress } from '@mserve/config';
import type { AdminOptions } from '../edge/admin-options.js';

/** Why a request is not let in: an HTTP status and a text for its sender. */
export interface Denial {
  readonly status: 400 | 401 | 403 | 503;
  readonly error: string;
}

/** Who may come in at the admin port. */
export class AdminAccess {
  private readonly hosts: ReadonlySet<string>;

  constructor(private readonly options: Pick<AdminOptions, 'address' | 'token' | 'hosts'>) {
    const address = parseAddress(options.address);
    const own = address.kind === 'tcp' ? [address.host] : [];
    this.hosts = new Set(['localhost', ...own, ...(options.hosts ?? [])].map((host) => host.toLowerCase()));
  }

  /** Undefined when the request may come in. */
  denial(host: string | undefined, authorization: string | undefined): Denial | undefined {
    return this.hostDenial(host) ?? this.tokenDenial(authorization);
  }

  /**
   * A web page may lead a name of its own to this address, and its visitor's browser would then send what the page wants (DNS rebinding). Only names that
   * the operator gave are answered; an IP address in the Host header is no name.
   */
  private hostDenial(header: string | undefined): Denial | undefined {
    if (header === undefined || header === '') return { status: 400, error: 'a Host header is missing' };
    const host = hostOf(header);
    if (host === undefined) return { status: 400, error: 'the Host header is malformed' };
    if (isIP(host) !== 0 || this.hosts.has(host)) return undefined;
    return { status: 403, error: `this port does not answer for the host '${host.slice(0, 100)}' (--admin-hosts names further hosts)` };
  }

  private tokenDenial(authorization: string | undefined): Denial | undefined {
    const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (given === undefined) return { status: 401, error: 'a bearer token is missing: send Authorization: Bearer TOKEN' };
    let wanted: string;
    try {
      wanted = this.options.token();
    } catch {
      return { status: 503, error: 'the admin token cannot be read now' };
    }
    return isSame(given, wanted) ? undefined : { status: 401, error: 'the bearer token is not the right one' };
  }
}

function hostOf(header: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@?#[\]]+))(?::\d{1,5})?$/i.exec(header);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/** In a time that depends on neither text. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
