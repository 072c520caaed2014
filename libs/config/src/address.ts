/** Where a port listens, or where a server is. */
export type Address =
  { readonly kind: 'tcp'; readonly host: string; readonly port: number } | { readonly kind: 'unix'; readonly path: string };

/** Why a text is no address. `port-range`: the port is a number, but not one from 0 to 65535. */
export type AddressProblem = 'no-port' | 'empty-part' | 'host' | 'port-not-a-number' | 'port-range' | 'empty-path';

/** A text is no address. The message says why, without the text. */
export class AddressError extends Error {
  override readonly name = 'AddressError';

  constructor(readonly problem: AddressProblem) {
    super(addressProblems[problem]);
  }
}

const addressProblems: Readonly<Record<AddressProblem, string>> = {
  'no-port': 'a port is missing',
  'empty-part': 'the host or the port is missing',
  host: 'the host is neither a name nor an IP address (IPv6 needs brackets)',
  'port-not-a-number': 'the port is not a number',
  'port-range': 'the port is not from 0 to 65535',
  'empty-path': 'the path of the socket is missing',
};

/**
 * Reads `host:port`, `[ipv6]:port` or `unix:path`. Port 0 stands for any free one. Throws {@link AddressError}.
 * The only reader of addresses: ports, `--rest` of `mserve infer` and NATS servers are all read here.
 */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:')) {
    if (text === 'unix:') throw new AddressError('empty-path');
    return { kind: 'unix', path: text.slice('unix:'.length) };
  }
  const colon = text.lastIndexOf(':');
  if (colon < 0) throw new AddressError('no-port');
  const host = text.slice(0, colon);
  const port = text.slice(colon + 1);
  if (host === '' || port === '') throw new AddressError('empty-part');
  if (!/^[+-]?\d+$/.test(port)) throw new AddressError('port-not-a-number');
  if (Number(port) < 0 || Number(port) > 65_535) throw new AddressError('port-range');
  const bracketed = /^\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]$/.exec(host);
  if (bracketed === null && /[\s:/@[\]]/.test(host)) throw new AddressError('host');
  return { kind: 'tcp', host: bracketed?.[1] ?? host, port: Number(port) };
}

/** The address as text again, with the port that was really bound. */
export function formatAddress(address: Address, boundPort?: number): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${boundPort ?? address.port}`;
}

/** Whether only this machine can reach the address. False for names other than localhost, which could lead anywhere. */
export function isLoopback(address: Address): boolean {
  return address.kind === 'unix' || /^(?:127\.\d+\.\d+\.\d+|localhost|::1)$/.test(address.host);
}

/** Whether it stands for every address of this machine: one to listen at, and not one to connect to. */
export function isUnspecified(address: Address): boolean {
  return address.kind === 'tcp' && /^(?:0+(?:\.0+){0,3}|[:0]+)$/.test(address.host);
}

function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch (error) {
    if (error instanceof AddressError) return false;
    throw error;
  }
}

/** Whether a text names a public port: see the shape `address`. */
export function isPortAddress(text: string, ports: { readonly unix: boolean }): boolean {
  return text === '' || (isAddress(text) && (ports.unix || !text.startsWith('unix:')));
}

/** NATS servers, as a setting names them. */
export interface NatsServers {
  /** `HOST:PORT` each. */
  readonly servers: readonly string[];
  /** One of them was given as `tls://`: no connection without TLS. */
  readonly tls: boolean;
  /** All are on this machine. */
  readonly loopback: boolean;
}

/** The servers of `nats://HOST:PORT` or `tls://HOST:PORT`, with commas between several; scheme and port may be left out. Undefined when one of them is no address. */
export function natsServersOf(text: string): NatsServers | undefined {
  const given = text.split(',');
  const servers: string[] = [];
  for (const server of given) {
    const bare = server.replace(/^(?:nats|tls):\/\//, '');
    const whole = /(?:^[^:[\]]+|\])$/.test(bare) ? `${bare}:4222` : bare;
    // Port 0 is for ports that listen
    if (bare.startsWith('unix:') || !isAddress(whole) || /:[+-]|:0+$/.test(whole)) return undefined;
    servers.push(whole);
  }
  return {
    servers,
    tls: given.some((server) => server.startsWith('tls://')),
    loopback: servers.every((server) => isLoopback(parseAddress(server))),
  };
}
