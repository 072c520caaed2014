/** Certificates of a connection, each as PEM text. */
export interface TlsFiles {
  /** Of the authorities that are trusted. Default: those of Node. */
  readonly ca?: string | Buffer | undefined;
  /** The client's own, for mutual TLS. */
  readonly certificate?: string | Buffer | undefined;
  readonly privateKey?: string | Buffer | undefined;
}

/** How a client signs in at the bus; one of user with password, token, nkeySeed and credentials. */
export interface BusLogin {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly nkeySeed?: string | undefined;
  /** Contents of a .creds file. */
  readonly credentials?: string | undefined;
  /** Name of this process, where its login is bound to one (`mserve bus-credentials`). */
  readonly name?: string | undefined;
  /** First part of every subject. Default `mserve`. */
  readonly prefix?: string | undefined;
}

/** How a server is reached. */
export interface ConnectionOptions {
  readonly tls?: TlsFiles | undefined;
  /** Sent as `Authorization: Bearer ...` (REST and gRPC). */
  readonly token?: string | undefined;
  /** Further headers of every request (gRPC: metadata). */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly bus?: BusLogin | undefined;
}

/** Options of a Client. */
export interface ClientOptions extends ConnectionOptions {
  /** How long a call may take, unless it says so itself. Default 100 000 ms, the server's own default. */
  readonly timeoutMs?: number | undefined;
  /**
   * How often a call is tried again when it is safe: the server could not be reached, or it said that it cannot take the call now (UNAVAILABLE; over REST
   * also 429). A connection that was lost while an answer was waited for is not tried again. Default 3; never past the deadline.
   */
  readonly retries?: number | undefined;
}

/** Options of one call. */
export interface CallOptions {
  /** Default: the latest version. */
  readonly version?: number | undefined;
  readonly timeoutMs?: number | undefined;
  /** Ends the call; it rejects with CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  /** Names the call in the server's log. Default: the server makes one. */
  readonly requestId?: string | undefined;
  /** W3C trace context. */
  readonly traceparent?: string | undefined;
  /** Goes with {@link traceparent}. */
  readonly tracestate?: string | undefined;
}
