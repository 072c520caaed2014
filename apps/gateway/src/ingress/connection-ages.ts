/** What is followed: a connection that says when it is closed. */
interface Closing {
  once(event: 'close', listener: () => void): unknown;
}

/** By how much ages differ, so that connections opened together do not all end together. */
const spread = 0.1;

/** Knows which connections of a port have reached their age. */
export class ConnectionAges<Connection extends Closing & object> {
  private readonly over = new WeakSet<Connection>();

  /** `onOver` is told of each connection when its time has come. */
  constructor(
    private readonly maxAgeMs: number,
    private readonly onOver?: (connection: Connection) => void,
  ) {}

  /** The connection is new. */
  follow(connection: Connection): void {
    const ageMs = this.maxAgeMs * (1 - spread + 2 * spread * Math.random());
    const timer = setTimeout(() => {
      this.over.add(connection);
      this.onOver?.(connection);
    }, ageMs).unref();
    connection.once('close', () => clearTimeout(timer));
  }

  /** Whether a connection has reached its age. */
  isOver(connection: Connection | null): boolean {
    return connection !== null && this.over.has(connection);
  }
}
