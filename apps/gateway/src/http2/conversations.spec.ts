import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { http2Preface, literals, rawFrame, RawHttp2, type RawFrame } from '../testing/raw-http2.js';
import { Connection } from './connection.js';
import { encodeFields } from './hpack-encoder.js';
import type { Http2Stream, StreamListener } from './stream.js';
import { lendReads } from './lent-reads.fixture.js';

/** Random conversations, right ones and damaged ones. `HTTP2_FUZZ_RUNS` says how many of each, `HTTP2_FUZZ_SEED` draws others. */
const runs = Number(process.env['HTTP2_FUZZ_RUNS'] ?? 40);
const seed = Number(process.env['HTTP2_FUZZ_SEED'] ?? 20261130);

const [data, headers, rst, settings, ping, windowUpdate] = [0, 1, 3, 4, 6, 8];
const [endStream, endHeaders, padded] = [1, 4, 8];
const block = literals({ ':method': 'POST', ':scheme': 'http', ':path': '/echo' });
const answerHead = encodeFields([[':status', '200']]);
const answerTrailers = encodeFields([['grpc-status', '0']]);

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Draws whole numbers from `low` to `high`, always the same ones for a seed (mulberry32). */
function drawing(start: number): (low: number, high: number) => number {
  let state = start;
  return (low, high) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return low + (((t ^ (t >>> 14)) >>> 0) % (high - low + 1));
  };
}
type Draw = ReturnType<typeof drawing>;

/** Answers with what came, and pauses now and then. */
class Echo implements StreamListener {
  ends = 0;
  closes = 0;

  constructor(
    private readonly stream: Http2Stream,
    private readonly draw: Draw,
  ) {
    stream.respond(answerHead);
  }

  onData(piece: Buffer): void {
    expect([this.ends, this.closes, this.stream.isPaused]).toEqual([0, 0, false]);
    this.stream.write(Buffer.from(piece));
    if (this.draw(0, 3) > 0) return;
    this.stream.pause();
    if (this.draw(0, 1) === 0) this.stream.resume();
    else setImmediate(() => this.stream.resume());
  }

  onEnd(): void {
    this.ends++;
    this.stream.end(this.draw(0, 1) === 0 ? answerTrailers : null);
  }

  onClose(): void {
    this.closes++;
  }
}

/** What a client counts of its windows, and what it is told of each stream. */
class Books {
  readonly bodies = new Map<number, Buffer[]>();
  readonly ended = new Map<number, number>();
  readonly windows = new Map<number, number>();
  window = 65_535;
  /** Changes of all windows that the server has to acknowledge; those that narrow count from then on. */
  private readonly changes: number[] = [];
  private readonly owed: Buffer[] = [];
  private mayTalk = false;

  constructor(
    public initialWindow: number,
    private readonly client: () => RawHttp2,
  ) {}

  change(window: number): Buffer {
    const by = window - this.initialWindow;
    this.initialWindow = window;
    this.changes.push(by);
    if (by > 0) this.add(by);
    return rawFrame(settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(window)]));
  }

  take({ type, flags, stream, payload }: RawFrame): void {
    if (type === settings && flags === 1) {
      const by = this.changes.shift() ?? 0;
      if (by < 0) this.add(by);
    }
    if (type === data) {
      this.window -= payload.length;
      const left = (this.windows.get(stream) ?? 0) - payload.length;
      if (payload.length > 0) expect(Math.min(left, this.window)).toBeGreaterThanOrEqual(0);
      this.bodies.get(stream)?.push(Buffer.from(payload));
      this.windows.set(stream, left + payload.length);
      this.window += payload.length;
      if (payload.length > 0) for (const id of [0, stream]) this.owed.push(rawFrame(windowUpdate, 0, id, uint32(payload.length)));
      if (this.mayTalk) this.pay();
    }
    if ((type === data || type === headers) && (flags & endStream) !== 0) this.ended.set(stream, (this.ended.get(stream) ?? 0) + 1);
  }

  /** Nothing else is in the middle of a frame now. */
  pay(): void {
    this.mayTalk = true;
    for (const frame of this.owed.splice(0)) this.client().say(frame);
  }

  private add(by: number): void {
    for (const [id, window] of this.windows) this.windows.set(id, window + by);
  }
}

/** The frames of one request, cut at random. */
function requestFrames(id: number, body: Buffer, draw: Draw): Buffer[] {
  const cut = draw(0, block.length);
  const frames: Buffer[] = [
    Buffer.concat([rawFrame(headers, 0, id, block.subarray(0, cut)), rawFrame(9, endHeaders, id, block.subarray(cut))]),
  ];
  for (let at = 0; at < body.length;) {
    const piece = body.subarray(at, (at += draw(1, draw(0, 1) === 0 ? 50 : 9_000)));
    const padding = draw(0, 2) === 0 ? draw(0, 255) : -1;
    if (padding < 0) frames.push(rawFrame(data, 0, id, piece));
    else frames.push(rawFrame(data, padded, id, Buffer.concat([Buffer.of(padding), piece, Buffer.alloc(padding)])));
  }
  frames.push(draw(0, 1) === 0 ? rawFrame(data, endStream, id) : rawFrame(headers, endStream | endHeaders, id, literals({ x: 'y' })));
  return frames;
}

/** The frames of several requests, mixed; the order within each is kept. */
function mixed(all: Buffer[][], draw: Draw): Buffer[] {
  const frames: Buffer[] = [];
  // They begin in the order of their ids
  for (const one of all) frames.push(one.shift() as Buffer);
  for (let left = all.filter((one) => one.length > 0); left.length > 0; left = left.filter((one) => one.length > 0))
    frames.push(left[draw(0, left.length - 1)]?.shift() as Buffer);
  return frames;
}

describe(`conversations at random (seed ${seed})`, () => {
  let server: Server;
  let port: number;
  let draw = drawing(seed);
  let echoes: Echo[] = [];
  let last: Connection | undefined;
  const limits = {
    maxConcurrentStreams: 10,
    maxFieldBytes: 2_000,
    maxFields: 20,
    streamWindowBytes: 100_000,
    connectionWindowBytes: 800_000,
    maxHeldBytes: 1_000_000,
  };
  const onStream = (stream: Http2Stream): void => {
    const echo = new Echo(stream, draw);
    stream.listener = echo;
    echoes.push(echo);
  };
  beforeAll(async () => {
    server = createServer((socket) => (last = lendReads(socket, new Connection(socket, { onStream }, limits))));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => void server.close());

  async function say(client: RawHttp2, bytes: Buffer, isInPieces: boolean): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      client.say(bytes.subarray(at, (at += isInPieces ? draw(1, 3_000) : bytes.length)));
      if (isInPieces) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function converse(): Promise<void> {
    const first = [1, 7, 500, 65_535][draw(0, 3)] as number;
    const largest = first < 10 ? 100 : 40_000;
    const ids = Array.from({ length: draw(1, 6) }, (_, n) => 2 * n + 1);
    const bodies = new Map(ids.map((id) => [id, Buffer.from(Array.from({ length: draw(0, largest) }, () => draw(0, 255)))]));
    const resets = new Set(ids.filter(() => draw(0, 5) === 0));
    const frames = mixed(
      ids.map((id) => {
        const all = requestFrames(id, bodies.get(id) as Buffer, draw);
        if (!resets.has(id)) return all;
        return [...all.slice(0, draw(1, all.length)), rawFrame(rst, 0, id, uint32(8))];
      }),
      draw,
    );
    const client = await RawHttp2.open(port, []);
    const books = new Books(65_535, () => client);
    for (const id of ids) {
      books.bodies.set(id, []);
      books.windows.set(id, 65_535);
    }
    let seen = 0;
    // The frames that came are looked at in their order, each once
    const isOver = (): boolean => {
      while (seen < client.frames.length) books.take(client.frames[seen++] as RawFrame);
      return ids.every((id) => resets.has(id) || books.ended.has(id));
    };
    const over = client.frame(isOver);
    const changes = Array.from({ length: draw(0, 3) }, () => draw(1, 2 * first));
    const all = [Buffer.from(http2Preface), books.change(first), ...frames.slice(0, 1)];
    for (const frame of frames.slice(1)) {
      const change = draw(0, 3) === 0 ? changes.pop() : undefined;
      if (change !== undefined) all.push(books.change(change));
      all.push(frame);
    }
    await say(client, Buffer.concat(all), draw(0, 1) === 0);
    books.pay();
    await over;
    const mark = Buffer.from('all over');
    client.say(rawFrame(ping, 0, 0, mark));
    await client.frame(({ type, payload }) => isOver() && type === ping && payload.equals(mark));
    for (const id of ids.filter((one) => !resets.has(one))) {
      const [came, sent] = [Buffer.concat(books.bodies.get(id) ?? []), bodies.get(id) as Buffer];
      expect([id, came.length, came.equals(sent)]).toEqual([id, sent.length, true]);
      expect([id, books.ended.get(id)]).toEqual([id, 1]);
    }
    expect([client.isClosed, last?.openStreams, echoes.map(({ closes }) => closes)]).toEqual([false, 0, ids.map(() => 1)]);
    const closed = once(last as Connection, 'close');
    client.close();
    await closed;
  }

  async function damage(): Promise<void> {
    const requests = [1, 3, 5].map((id) => requestFrames(id, Buffer.alloc(draw(0, 5_000), 'b'), draw));
    const bytes = Buffer.concat([Buffer.from(http2Preface), rawFrame(settings, 0, 0), ...mixed(requests, draw)]);
    const from = draw(0, 9) === 0 ? 0 : 24;
    for (let n = draw(1, 5); n > 0; n--) {
      const at = draw(from, Math.min(bytes.length - 1, draw(0, 1) === 0 ? 200 : bytes.length - 1));
      bytes[at] = draw(0, 255);
    }
    const client = await RawHttp2.open(port, []);
    await say(client, bytes.subarray(0, draw(0, 3) === 0 ? draw(1, bytes.length) : bytes.length), draw(0, 3) === 0);
    client.socket.end();
    await client.closed();
    const connection = last as Connection;
    if (!connection.socket.closed) await once(connection, 'close');
    expect([connection.openStreams, echoes.every(({ closes }) => closes === 1)]).toEqual([0, true]);
  }

  it.each([
    ['that are right: each stream has its bytes and one end, and no window is overrun', converse],
    ['that are damaged: end, and leave nothing behind', damage],
  ])(
    '%s',
    async (_what, talk) => {
      for (let run = 0; run < runs; run++) {
        draw = drawing(seed + run);
        echoes = [];
        try {
          await talk();
        } catch (thrown) {
          throw new Error(`HTTP2_FUZZ_SEED=${seed + run} HTTP2_FUZZ_RUNS=1`, { cause: thrown });
        }
      }
      echoes = [];
      await converse();
    },
    30_000 + runs * 1_000,
  );
});
