import type { Socket } from 'node:net';

/** What is told of the end of its connection. */
export interface Unfinished {
  close(): void;
}

interface Connection {
  /** Answers that are not over: written out, or given up. */
  readonly unfinished: Unfinished[];
  /** Received when it was looked at last. */
  bytesRead: number;
  /** When it was first seen without anything to do, of performance.now(). */
  idleSince: number;
}

/** How often, in the time that an idle connection is kept, it is looked at; at least once a second. */
const looks = 4;
const longestLookMs = 1_000;

/**
 * The connections of the REST port: what each has in hand, and which have nothing and are closed. node would set a timer anew after each answer for the latter,
 * which costs a small request some 5 % of its CPU; here all are looked at now and then.
 */
export class HttpConnections {
  private readonly open = new Map<Socket, Connection>();

  /** `onIdle`: all requests of a connection are answered. */
  constructor(
    private readonly keepAliveTimeoutMs: number,
    private readonly onIdle: (socket: Socket) => void,
  ) {}

  /** A new connection. The connection itself has to be watched: of its end node informs only the response that is being written, not those queued behind it. */
  readonly add = (socket: Socket): Connection => {
    const connection: Connection = { unfinished: [], bytesRead: 0, idleSince: performance.now() };
    this.open.set(socket, connection);
    socket.once('close', () => {
      for (const unfinished of [...connection.unfinished]) unfinished.close();
      this.open.delete(socket);
    });
    return connection;
  };

  /** Closes those that have nothing to do for `keepAliveTimeoutMs`, or up to half longer, until it is stopped. */
  closeIdle(): { stop(): void } {
    const timer = setInterval(() => this.look(performance.now()), Math.min(this.keepAliveTimeoutMs / looks, longestLookMs));
    timer.unref();
    return { stop: () => clearInterval(timer) };
  }

  isBusy(socket: Socket): boolean {
    return (this.open.get(socket)?.unfinished.length ?? 0) > 0;
  }

  /** `one` is told when the connection ends before it is over. */
  follow(socket: Socket, one: Unfinished): void {
    (this.open.get(socket) ?? this.add(socket)).unfinished.push(one);
  }

  /** It is over. false when it was over before. */
  unfollow(socket: Socket, one: Unfinished): boolean {
    const unfinished = this.open.get(socket)?.unfinished;
    const at = unfinished?.indexOf(one) ?? -1;
    if (unfinished === undefined || at < 0) return false;
    unfinished.splice(at, 1);
    if (unfinished.length > 0) return true;
    // The time in which an answer had to be taken
    if (socket.timeout !== undefined && socket.timeout > 0) socket.setTimeout(0);
    this.onIdle(socket);
    return true;
  }

  private look(now: number): void {
    for (const [socket, connection] of this.open) {
      const { bytesRead } = socket;
      if (connection.unfinished.length > 0 || bytesRead !== connection.bytesRead) {
        connection.bytesRead = bytesRead;
        connection.idleSince = now;
      } else if (now - connection.idleSince >= this.keepAliveTimeoutMs) socket.destroy();
    }
  }
}
