import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { ServingError, decodeHeldBytes } from '@mserve/wire';
import type { HeldTable } from '../held-table.js';
import type { Report } from '../report.js';
import { bodyOf, errorFrame } from './frame.js';
import type { RingInlets, RingTaker } from './ring-inlets.js';
import type { Subjects } from './subjects.js';

/** Every participant may release bytes of every other: with all rings of an owner they could take those of its channels. Others release over the bus. */
const mostReleaseRings = 64;

interface HeldResponderOptions {
  readonly connection: NatsConnection;
  readonly subjects: Subjects;
  readonly address: string;
  readonly table: HeldTable;
  readonly report: Report;
  /** The largest piece that one message takes. */
  readonly maxBytes: () => number;
  readonly onDropped: (what: string, cause: unknown) => void;
  readonly inlets: RingInlets;
}

/** The owner's side of held bytes, as long as the connection lasts: answers with pieces of them, and takes releases. */
export function answerFetches({ connection, subjects, address, table, report, maxBytes, onDropped, inlets }: HeldResponderOptions): void {
  const guard = (handle: () => void): void => {
    try {
      handle();
    } catch (thrown) {
      onDropped('a request for held bytes', thrown);
    }
  };
  const serve = (subject: string, handler: (message: Msg) => void): void => {
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return report('the bus server does not let this participant hold tensors', error);
        guard(() => handler(message));
      },
    });
  };
  const release = (bytes: Uint8Array): void => table.release(decodeHeldBytes(bytes));
  serve(subjects.held(address), (message) => answerFetch(message, table, maxBytes()));
  const releases: RingTaker = { mostRings: mostReleaseRings, acceptFrom: (_sender, bytes) => guard(() => release(bytes)) };
  serve(subjects.release(address), (message) => {
    if (!inlets.take(message, releases)) release(bodyOf(message));
  });
}

function answerFetch(message: Msg, table: HeldTable, maxBytes: number): void {
  const { id, offset, length } = decodeHeldBytes(bodyOf(message));
  try {
    if (length > maxBytes) throw new ServingError('INVALID_ARGUMENT', `a piece of ${length} bytes is larger than what one message takes`);
    message.respond(table.read(id, offset, length));
  } catch (thrown) {
    const frame = errorFrame(ServingError.from(thrown));
    message.respond(frame.body, { headers: frame.headers });
  }
}
