import { isIP } from 'node:net';
import { parseAddress } from '@mserve/config';

/** Why the Host header of a request is refused: an HTTP status and a text for its sender. */
export interface HostDenial {
  readonly status: 400 | 403;
  readonly error: string;
}

/**
 * Which Host headers a port of an operator answers. A web page may lead a name of its own to this address, and its visitor's browser would then send what
 * the page wants (DNS rebinding). Only names that the operator gave are answered; an IP address in the Host header is no name.
 */
export class HostCheck {
  private readonly hosts: ReadonlySet<string>;

  /** `address`: of the port, `host:port`; `further`: names beside that of the address and localhost. `hint`: how names are given, for the text. */
  constructor(
    address: string,
    further: readonly string[],
    private readonly hint: string,
  ) {
    const parsed = parseAddress(address);
    const own = parsed.kind === 'tcp' ? [parsed.host] : [];
    this.hosts = new Set(['localhost', ...own, ...further].map((host) => host.toLowerCase()));
  }

  /** Undefined when the request may come in. */
  denial(header: string | undefined): HostDenial | undefined {
    if (header === undefined || header === '') return { status: 400, error: 'a Host header is missing' };
    const host = hostOf(header);
    if (host === undefined) return { status: 400, error: 'the Host header is malformed' };
    if (isIP(host) !== 0 || this.hosts.has(host)) return undefined;
    return { status: 403, error: `this port does not answer for the host '${host.slice(0, 100)}' (${this.hint})` };
  }
}

function hostOf(header: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@?#[\]]+))(?::\d{1,5})?$/i.exec(header);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}
