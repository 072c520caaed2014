import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { types } from 'node:util';
import {
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
  type Authenticator,
  type ConnectionOptions,
  type NatsConnection,
  type TlsOptions,
} from '@nats-io/transport-node';
import { ServingError } from '@mserve/wire';
import type { Report } from '../report.js';
import type { Rings } from '../ring/rings.js';
import type { ServiceFacts } from './discovery.js';
import { isRefusal, type Reconnecting } from './reconnecting.js';

/** How to reach and enter a nats-server. At most one of user, token, nkeySeed and credentials. */
export interface NatsBusOptions {
  /** `host:port` or `nats://host:port`; several are servers of one cluster. */
  readonly servers: string | readonly string[];
  /** [A-Za-z0-9_-]+, for example `gateway`: the first part of the address, and of the inbox that the server's permissions name. */
  readonly role: string;
  /** Name of this process, [A-Za-z0-9_-]+: its address is `{name}.{8 hex digits}`, so that its permissions can be its own. Default: `{role}-{8 hex digits}`. */
  readonly name?: string | undefined;
  /** First part of every subject. Default `mserve`. */
  readonly prefix?: string | undefined;
  /** As functions (these three), called before each try, so that they may change. */
  readonly user?: string | (() => string) | undefined;
  readonly password?: string | (() => string) | undefined;
  readonly token?: string | (() => string) | undefined;
  /** The seed itself (SU...); as a function, called before each try, so that it may change. What it throws counts as no change. */
  readonly nkeySeed?: string | (() => string) | undefined;
  /** The contents of a .creds file; as a function, called before each try, so that they may change. What it throws counts as no change. */
  readonly credentials?: string | (() => string) | undefined;
  /** Given (even empty): TLS is required. Files by name or contents. */
  readonly tls?: TlsOptions | undefined;
  /** How long to try before the first connection; default: without end (rooms start in any order). */
  readonly connectTimeoutMs?: number | undefined;
  /** Stops trying. */
  readonly signal?: AbortSignal | undefined;
  /** Called at each failed attempt before the first connection. */
  readonly onWaiting?: ((error: Error) => void) | undefined;
  /** Larger messages and held bytes are refused. Default 1 GiB. */
  readonly maxFetchBytes?: number | undefined;
  readonly report?: Report | undefined;
  /** For small messages between processes of this machine. Belong to the bus, which closes them. Default: none, all goes over the server. */
  readonly rings?: Rings | undefined;
  /** What it is to who asks the nats-server for services (`nats micro ls`). Default: it does not answer. */
  readonly service?: ServiceFacts | undefined;
}

/** The bus server refuses the credentials. INVALID_ARGUMENT: waiting does not help. */
export class CredentialsRefused extends ServingError {
  constructor(cause: unknown) {
    super('INVALID_ARGUMENT', 'the bus server refuses the credentials', { cause });
  }
}

const retryEveryMs = 100;
const jitterMs = 50;

/**
 * Connects, trying again until the server is there. UNAVAILABLE after connectTimeoutMs, CANCELLED by the signal; final at once, with
 * INVALID_ARGUMENT: credentials that the server refuses, certificates that do not fit.
 */
export async function connectToServer(
  options: NatsBusOptions,
  address: string,
  inboxPrefix: string,
  reconnecting: Reconnecting,
): Promise<NatsConnection> {
  const settings = connectionOptions(options, address, inboxPrefix, reconnecting);
  const startedAt = performance.now();
  for (;;) {
    try {
      return await connect(settings);
    } catch (thrown) {
      if (isRefusal(thrown)) throw new CredentialsRefused(thrown);
      if (isSetupError(thrown, options.tls))
        throw new ServingError('INVALID_ARGUMENT', `the bus connection is set up wrongly: ${thrown.message}`, { cause: thrown });
      options.onWaiting?.(thrown as Error);
      if (options.signal?.aborted === true) throw new ServingError('CANCELLED', 'connecting to the bus was cancelled');
      if (performance.now() - startedAt > (options.connectTimeoutMs ?? Infinity)) {
        throw new ServingError('UNAVAILABLE', `no bus server answered within ${options.connectTimeoutMs} ms`, { cause: thrown });
      }
    }
    await delay(retryEveryMs + Math.random() * jitterMs, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(
      () => {
        throw new ServingError('CANCELLED', 'connecting to the bus was cancelled');
      },
    );
  }
}

function connectionOptions(options: NatsBusOptions, address: string, inboxPrefix: string, reconnecting: Reconnecting): ConnectionOptions {
  return {
    servers: typeof options.servers === 'string' ? options.servers : [...options.servers],
    name: address,
    inboxPrefix,
    timeout: 5_000,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => reconnecting.delayMs(),
    // After the first connection a refusal may be a server that is being configured anew: keep trying.
    ignoreAuthErrorAbort: true,
    pingInterval: 2_000,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(options.user === undefined ? {} : { authenticator: usernamePasswordAuthenticator(options.user, options.password ?? '') }),
    ...(options.token === undefined ? {} : { authenticator: tokenAuthenticator(options.token) }),
    ...(options.nkeySeed === undefined ? {} : { authenticator: latest(options.nkeySeed, nkeyAuthenticator) }),
    ...(options.credentials === undefined ? {} : { authenticator: latest(options.credentials, credsAuthenticator) }),
    ...(options.tls === undefined ? {} : { tls: verifyingTls(options.tls, options.servers) }),
  };
}

/**
 * The server has to have a certificate for one of the names that it was given by. Without this, the client would look for a server that is named by its IP
 * address under the name localhost.
 */
function verifyingTls(tls: TlsOptions, servers: string | readonly string[]): TlsOptions {
  const hosts = [servers]
    .flat()
    .map((server) => new URL(server.includes('://') ? server : `nats://${server}`).hostname.replace(/^\[|\]$/g, ''));
  const verifying = {
    ...tls,
    checkServerIdentity: (_host: string, certificate: PeerCertificate): Error | undefined => {
      const errors = hosts.map((host) => checkServerIdentity(host, certificate));
      return errors.includes(undefined) ? undefined : errors[0];
    },
  };
  return verifying;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Logs in with a secret as it is at that moment; with the last one when it cannot be read, or is being written. */
function latest(secret: string | (() => string), authenticatorOf: (secret: Uint8Array) => Authenticator): Authenticator {
  let last: Authenticator | undefined;
  return (nonce) => {
    try {
      const current = authenticatorOf(bytes(typeof secret === 'string' ? secret : secret()));
      const auth = current(nonce);
      last = current;
      return auth;
    } catch (thrown) {
      if (last === undefined) throw thrown;
      return last(nonce);
    }
  };
}

/** Errors that waiting does not fix: options that contradict each other, a certificate that is not trusted or not there. */
function isSetupError(thrown: unknown, tls: TlsOptions | undefined): thrown is Error {
  if (!types.isNativeError(thrown)) return false;
  const code = String((thrown as NodeJS.ErrnoException).code ?? '');
  // The client reads certificate files at each attempt and has no code for one that is missing.
  const isMissing = [tls?.caFile, tls?.certFile, tls?.keyFile].some((file) => file !== undefined && !existsSync(file));
  const isUntrusted = code.startsWith('ERR_TLS') || code.includes('CERT') || code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE';
  return thrown.name === 'InvalidArgumentError' || isMissing || isUntrusted;
}
