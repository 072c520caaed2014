import type { ServingError } from '@mserve/wire';

/** What somebody asks of a public port. `control`: what changes something, such as loading a model. */
export type Asked = 'infer' | 'health' | 'metadata' | 'control';

/** A client that is let in. */
export interface Client {
  /** As the operator calls it; no secret. */
  readonly name: string;
  /** Whether it may use every servable: only then may it load and unload. */
  readonly usesAll: boolean;
  /** Whether it may call the methods of a servable. */
  mayUse(servable: string): boolean;
  /** Whether a model of the Open Inference Protocol by this name, `servable` or `servable.method`, can be of a servable that it may use. */
  mayMean(model: string): boolean;
}

/** What a caller shows of itself. */
export interface Caller {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the connection; a TLS socket tells the certificate of its client. */
  readonly socket: object | undefined;
}

/** Who may come in at the public ports. */
export interface Access {
  /** The client; undefined where anybody may ask; else why not: UNAUTHENTICATED or PERMISSION_DENIED. Must not throw. */
  admit(asked: Asked, caller: Caller): Client | ServingError | undefined;
  /** Reads the list of clients again, now; one that is wrong leaves the list in use. Must not throw. */
  reload(): void;
}

/** Where the list of clients is, and what needs none. */
export interface AccessOptions {
  /** Path of the file with the clients (docs/access.md). Read again when it changes. */
  readonly file: string;
  /** What anybody may ask: nothing, health, or health and metadata. */
  readonly open: 'none' | 'health' | 'metadata';
}
