import { createHash, timingSafeEqual } from 'node:crypto';
import { HostCheck } from '@mserve/app';
import type { AdminOptions } from '../edge/admin-options.js';

/** Why a request is not let in: an HTTP status and a text for its sender. */
export interface Denial {
  readonly status: 400 | 401 | 403 | 503;
  readonly error: string;
}

/** Who may come in at the admin port. */
export class AdminAccess {
  private readonly hosts: HostCheck;

  constructor(private readonly options: Pick<AdminOptions, 'address' | 'token' | 'hosts'>) {
    this.hosts = new HostCheck(options.address, options.hosts ?? [], '--admin-hosts names further hosts');
  }

  /** Undefined when the request may come in. */
  denial(host: string | undefined, authorization: string | undefined): Denial | undefined {
    return this.hosts.denial(host) ?? this.tokenDenial(authorization);
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

/** In a time that depends on neither text. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
