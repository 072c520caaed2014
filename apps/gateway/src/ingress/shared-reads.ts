import { Socket } from 'node:net';

/** As much as node reads at once into a buffer of its own. */
const bufferBytes = 64 * 1024;

/** What node gives an accepted connection, and a socket takes over. Neither is in its documentation; shared-reads.spec.ts holds both. */
interface Accepted {
  _handle: object | null;
  _server: object | null;
}

function isAccepted(socket: object): socket is Accepted {
  return '_handle' in socket && typeof socket._handle === 'object' && '_server' in socket && typeof socket._server === 'object';
}

/**
 * Connections of one port that are read into one buffer, in turn: node makes one of 64 KiB for each read, which costs a small request more than to parse it, and which V8 counts as memory
 * until it collects. libuv fills a buffer and tells of it before it reads anything else, but on Windows.
 */
export class SharedReads {
  private buffer: Buffer | undefined;

  /**
   * The socket to be used in place of one that a server with `pauseOnConnect` has accepted. `onBytes` is told what comes; the bytes are its own until it returns.
   */
  take(accepted: Socket, onBytes: (bytes: Buffer) => void): Socket {
    if (process.platform === 'win32' || !isAccepted(accepted) || accepted._handle === null) return accepted.on('data', onBytes).resume();
    const buffer = (this.buffer ??= Buffer.allocUnsafeSlow(bufferBytes));
    const callback = (count: number): boolean => {
      onBytes(buffer.subarray(0, count));
      return true;
    };
    const options = { allowHalfOpen: false, handle: accepted._handle, onread: { buffer, callback } };
    const socket = new Socket(options);
    // The server counts it among its connections
    Object.assign(socket, { _server: accepted._server });
    accepted._handle = null;
    accepted._server = null;
    return socket;
  }
}
