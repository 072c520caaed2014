import { stringFieldSize } from '../protobuf/index.js';
import type { Assignment, Ticket } from '../ticket.js';
import { measureNested, readNested, writeNested, type MessageCodec } from './message-codec.js';
import { ticketCodec } from './ticket-codec.js';

/** Writes and reads Assignment of proto/mserve/bus/v1/dispatch.proto. */
export const assignmentCodec: MessageCodec<Assignment> = {
  measure(assignment, out) {
    return stringFieldSize(assignment.scheduler) + stringFieldSize(assignment.replica) + measureNested(ticketCodec, assignment.ticket, out);
  },
  write(assignment, out) {
    const { writer } = out;
    writer.string(1, assignment.scheduler);
    writer.string(2, assignment.replica);
    writeNested(ticketCodec, 3, assignment.ticket, out);
  },
  read(from) {
    const { reader } = from;
    let scheduler = '';
    let replica = '';
    let ticket: Ticket | undefined;
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === 10) scheduler = from.address();
      else if (tag === 18) replica = reader.string();
      else if (tag === 26) ticket = readNested(ticketCodec, from);
      else reader.skip(tag);
    }
    from.required(scheduler, 'scheduler');
    if (ticket === undefined) throw reader.fault('an assignment without a ticket');
    return { scheduler, replica, ticket };
  },
};
