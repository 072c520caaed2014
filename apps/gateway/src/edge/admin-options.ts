/** Who may change what a gateway's fleet serves. */
export interface AdminOptions {
  /** `host:port`; port 0 = any free one. */
  readonly address: string;
  /** The token that requests must bear, read anew for each: it may be replaced. Throws when it cannot be read now. */
  readonly token: () => string;
  /** Names, beside that of the address, by which clients may reach the port. */
  readonly hosts?: readonly string[] | undefined;
}

/** Whether the repository calls of the Open Inference Protocol may load and unload at the public ports. */
export type ModelControlMode = 'none' | 'explicit';
