import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  type SecureClientSessionOptions,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';

/** What came of a call: headers and trailers together, the bytes between them, and the code the stream was closed with. */
export interface RawReply {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly rstCode: number | undefined;
}

/** A message with gRPC's prefix: `flag` 1 says that it is compressed; `length` may lie. */
export function prefixed(message: Buffer | string, flag = 0, length = Buffer.byteLength(message)): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, Buffer.from(message)]);
}

/** One HTTP/2 connection for specs that say things no gRPC client says. */
export class RawGrpc {
  private constructor(readonly session: ClientHttp2Session) {}

  /** `address` is `host:port`. Resolves when both sides know each other's settings. */
  static async open(address: string, options: ClientSessionOptions | SecureClientSessionOptions = {}): Promise<RawGrpc> {
    const session = connect(`${'ca' in options ? 'https' : 'http'}://${address}`, { maxSessionMemory: 1_000, ...options });
    session.on('error', () => undefined);
    await new Promise<void>((resolve, reject) => session.once('remoteSettings', () => resolve()).once('error', reject));
    return new RawGrpc(session);
  }

  begin(headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const stream = this.session.request({
      ':method': 'POST',
      ':path': '/mindspore.serving.proto.MSService/Predict',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.on('error', () => undefined);
    return stream;
  }

  /** Sends `pieces` one after the other, each in a frame of its own, and then ends the request unless `open`. */
  async call(pieces: readonly Buffer[], headers: OutgoingHttpHeaders = {}, open = false): Promise<RawReply> {
    const stream = this.begin(headers);
    const reply = replyOf(stream);
    for (const piece of pieces) await new Promise<void>((resolve) => (stream.writable ? stream.write(piece, () => resolve()) : resolve()));
    if (!open) stream.end();
    return reply;
  }

  close(): void {
    this.session.destroy();
  }
}

/** Resolves when the server has said all, or the stream is closed. */
export function replyOf(stream: ClientHttp2Stream): Promise<RawReply> {
  let headers: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on('response', (received) => (headers = { ...headers, ...received }));
  stream.on('trailers', (received) => (headers = { ...headers, ...received }));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    const finish = (): void => resolve({ headers, body: Buffer.concat(chunks), rstCode: stream.rstCode });
    stream.on('end', finish).on('close', finish);
  });
}
