import {
  decodeAnswers,
  decodeAssignments,
  decodeCancellations,
  decodeReceipts,
  decodeRefusals,
  decodeTickets,
  encodeAnswers,
  encodeAssignments,
  encodeCancellations,
  encodeReceipts,
  encodeRefusals,
  encodeTickets,
  type Answer,
  type Assignment,
  type Cancellation,
  type Receipt,
  type Refusal,
  type Ticket,
} from '@mserve/wire';
import type { Channel } from './channel.js';

/** Gateway to scheduler: requests to run. */
export const tickets: Channel<Ticket> = { name: 'tickets', takesRing: true, encode: encodeTickets, decode: decodeTickets };

/** Scheduler to worker: tickets for one of its replicas. */
export const assignments: Channel<Assignment> = {
  name: 'assignments',
  takesRing: true,
  encode: encodeAssignments,
  decode: decodeAssignments,
};

/** Worker to gateway: results. */
export const answers: Channel<Answer> = { name: 'answers', takesRing: true, encode: encodeAnswers, decode: decodeAnswers };

/** Worker to scheduler: instances that left a replica. */
export const receipts: Channel<Receipt> = { name: 'receipts', takesRing: true, encode: encodeReceipts, decode: decodeReceipts };

/** Gateway to scheduler, scheduler to worker: nobody waits for this ticket any more. Always over the bus, and so behind the ticket. */
export const cancellations: Channel<Cancellation> = { name: 'cancellations', encode: encodeCancellations, decode: decodeCancellations };

/** Scheduler to gateway: instances that will not be run. */
export const refusals: Channel<Refusal> = { name: 'refusals', takesRing: true, encode: encodeRefusals, decode: decodeRefusals };
