import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { encodeHeldBytes, refusal, ServingError, type HeldBytes } from '@mserve/wire';
import { checkRange } from '../held-table.js';
import { bodyOf, errorOf } from './frame.js';
import type { ReplyInbox } from './reply-inbox.js';
import type { Subjects } from './subjects.js';

const maxPieceBytes = 512 * 1024;
/** Of one fetch; with maxPieces, at most 4 MiB are on their way to one participant (a nats-server disconnects a client that is 64 MiB behind). */
const piecesPerFetch = 4;
const maxPieces = 8;
/** The owner answers at once or not at all; a piece waits behind at most the other pieces. */
const pieceTimeoutMs = 10_000;

interface PullerOptions {
  readonly connection: NatsConnection;
  readonly inbox: ReplyInbox;
  readonly subjects: Subjects;
  readonly maxPayload: () => number;
  /** Larger references are refused before anything is allocated. */
  readonly maxFetchBytes: number;
}

/** The reader's side of held bytes: pulls them in pieces, a few at a time, so that nobody's buffers overflow. */
export class Puller {
  private free = maxPieces;
  private readonly queue: (() => void)[] = [];

  constructor(private readonly options: PullerOptions) {}

  /** See Bus.fetch. */
  async fetch(held: HeldBytes, signal?: AbortSignal): Promise<Uint8Array> {
    checkRange(held);
    const subject = this.options.subjects.held(held.owner);
    if (held.length > this.options.maxFetchBytes) {
      throw new ServingError('RESOURCE_EXHAUSTED', `${held.length} bytes of tensors, at most ${this.options.maxFetchBytes} are fetched`);
    }
    const pieceBytes = Math.min(maxPieceBytes, this.options.maxPayload() >> 1);
    if (held.length <= pieceBytes) return this.piece(subject, held, signal);

    const bytes = newBytes(held.length);
    const abort = new AbortController();
    const onAbort = (): void => abort.abort();
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted === true) abort.abort();
    let next = 0;
    const pullOn = async (): Promise<void> => {
      while (next < held.length) {
        const at = next;
        next += pieceBytes;
        const piece = { owner: held.owner, id: held.id, offset: held.offset + at, length: Math.min(pieceBytes, held.length - at) };
        bytes.set(await this.piece(subject, piece, abort.signal), at);
      }
    };
    try {
      await Promise.all(Array.from({ length: piecesPerFetch }, pullOn));
    } finally {
      // The first failure stops the other pieces.
      abort.abort();
      signal?.removeEventListener('abort', onAbort);
    }
    return bytes;
  }

  private async piece(subject: string, piece: HeldBytes, signal: AbortSignal | undefined): Promise<Uint8Array> {
    await this.take();
    try {
      const answer = await this.options.inbox.ask(subject, encodeHeldBytes(piece), { timeoutMs: pieceTimeoutMs, signal });
      return pieceOf(answer, piece.length);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      const isGone = error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED';
      throw isGone ? refusal('tensors-lost', {}, error) : error;
    } finally {
      this.give();
    }
  }

  private take(): Promise<void> | undefined {
    if (this.free > 0) {
      this.free--;
      return undefined;
    }
    return new Promise((resolve) => this.queue.push(resolve));
  }

  private give(): void {
    const next = this.queue.shift();
    if (next === undefined) this.free++;
    else next();
  }
}

function pieceOf(answer: Msg, length: number): Uint8Array {
  const error = errorOf(answer);
  if (error !== undefined) throw error;
  const bytes = bodyOf(answer);
  if (bytes.byteLength !== length)
    throw new ServingError('INTERNAL', `a piece of tensors has ${bytes.byteLength} bytes instead of ${length}`);
  return bytes;
}

/** Not zeroed: every byte is written before it is seen. */
function newBytes(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
