import { stringFieldSize, uintFieldSize } from '../protobuf/index.js';
import type { Assignment, Ticket } from '../ticket.js';
import { measureNested, readNested, writeNested, type MessageCodec } from './message-codec.js';
import { assignedTicketCodec } from './ticket-codec.js';

/** Writes and reads Assignment of proto/mserve/bus/v1/dispatch.proto. */
export const assignmentCodec: MessageCodec<Assignment> = {
  measure(assignment, out) {
    const names = stringFieldSize(assignment.scheduler) + stringFieldSize(assignment.replica);
    return (
      names +
      uintFieldSize(assignment.grant) +
      uintFieldSize(assignment.queuedUs) +
      measureNested(assignedTicketCodec, assignment.ticket, out)
    );
  },
  write(assignment, out) {
    const { writer } = out;
    writer.string(1, assignment.scheduler);
    writer.string(2, assignment.replica);
    writeNested(assignedTicketCodec, 3, assignment.ticket, out);
    writer.uint(4, assignment.grant);
    writer.uint(5, assignment.queuedUs);
  },
  read(from) {
    const { reader } = from;
    let scheduler = '';
    let replica = '';
    let ticket: Ticket | undefined;
    let grant = 0;
    let queuedUs = 0;
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === 10) scheduler = from.address();
      else if (tag === 18) replica = reader.string();
      else if (tag === 26) ticket = readNested(assignedTicketCodec, from);
      else if (tag === 32) grant = reader.uint();
      else if (tag === 40) queuedUs = reader.uint();
      else reader.skip(tag);
    }
    from.required(scheduler, 'scheduler');
    if (ticket === undefined) throw reader.fault('an assignment without a ticket');
    return { scheduler, replica, ticket, grant, queuedUs };
  },
};
