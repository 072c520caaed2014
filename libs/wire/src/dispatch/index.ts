/**
 * The messages of the hot path between their in-memory types (ticket.ts) and the protobuf lists of mserve/bus/v1/dispatch.proto.
 * Those of every request are written by hand for speed, the others from tables of fields (table-codec.ts), as a new one should be;
 * dispatch.spec.ts holds all to the generated code, both ways.
 *
 * encode*: TypeError for instances that are `local` (a bug: they cannot leave the process).
 * decode*: ServingError INVALID_ARGUMENT for anything but such a list. Unknown fields of newer schemas are skipped; byte fields are views.
 * `texts`: where names that come in every message are looked up; its owner keeps one for all that it decodes.
 */
import type { TextCache } from '../protobuf/index.js';
import type { Answer, Assignment, Cancellation, Receipt, Refusal, Ticket } from '../ticket.js';
import { answerCodec } from './answer-codec.js';
import { assignmentCodec } from './assignment-codec.js';
import { failureCodec } from './failure-codec.js';
import { decodeList, encodeList } from './message-codec.js';
import { receiptCodec } from './receipt-codec.js';
import { address, nested, tableCodec, uint, uint32 } from './table-codec.js';
import { ticketCodec } from './ticket-codec.js';

export { decodeHeldBytes, encodeHeldBytes } from './held-bytes.js';
export { encodeInstancesInto } from './aligned-instances.js';
export { decodeInstances, encodeInstances, maxTicketInstances } from './instance-codec.js';

const cancellationCodec = tableCodec<Cancellation>('a cancellation', { gateway: [1, address], id: [2, uint] });

const refusalCodec = tableCodec<Refusal>('a refusal', {
  id: [1, uint],
  attempt: [2, uint32],
  firstInstance: [3, uint32],
  instances: [4, uint32],
  failure: [5, nested(failureCodec)],
  key: [6, uint],
});

type Texts = TextCache | undefined;

/** Tickets as a TicketList. */
export const encodeTickets = (messages: readonly Ticket[]): Uint8Array => encodeList(ticketCodec, messages);
/** The tickets of a TicketList. Throws ServingError INVALID_ARGUMENT for bytes that are none. */
export const decodeTickets = (bytes: Uint8Array, texts?: Texts): Ticket[] => decodeList(ticketCodec, bytes, texts);
/** Assignments as an AssignmentList. */
export const encodeAssignments = (messages: readonly Assignment[]): Uint8Array => encodeList(assignmentCodec, messages);
/** The assignments of an AssignmentList. Throws ServingError INVALID_ARGUMENT for bytes that are none. */
export const decodeAssignments = (bytes: Uint8Array, texts?: Texts): Assignment[] => decodeList(assignmentCodec, bytes, texts);
/** Answers as an AnswerList. */
export const encodeAnswers = (messages: readonly Answer[]): Uint8Array => encodeList(answerCodec, messages);
/** The answers of an AnswerList. Throws ServingError INVALID_ARGUMENT for bytes that are none. */
export const decodeAnswers = (bytes: Uint8Array, texts?: Texts): Answer[] => decodeList(answerCodec, bytes, texts);
/** Receipts as a ReceiptList. */
export const encodeReceipts = (messages: readonly Receipt[]): Uint8Array => encodeList(receiptCodec, messages);
/** The receipts of a ReceiptList. Throws ServingError INVALID_ARGUMENT for bytes that are none. */
export const decodeReceipts = (bytes: Uint8Array, texts?: Texts): Receipt[] => decodeList(receiptCodec, bytes, texts);
/** Cancellations as a CancellationList. */
export const encodeCancellations = (messages: readonly Cancellation[]): Uint8Array => encodeList(cancellationCodec, messages);
/** The cancellations of a CancellationList. Throws ServingError INVALID_ARGUMENT for bytes that are none. */
export const decodeCancellations = (bytes: Uint8Array, texts?: Texts): Cancellation[] => decodeList(cancellationCodec, bytes, texts);
/** Refusals as a RefusalList. */
export const encodeRefusals = (messages: readonly Refusal[]): Uint8Array => encodeList(refusalCodec, messages);
/** The refusals of a RefusalList. Throws ServingError INVALID_ARGUMENT for bytes that are none. */
export const decodeRefusals = (bytes: Uint8Array, texts?: Texts): Refusal[] => decodeList(refusalCodec, bytes, texts);
