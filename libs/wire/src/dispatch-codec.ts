/**
 * The messages of the hot path between their in-memory types (ticket.ts) and the protobuf lists of mserve/bus/v1/dispatch.proto.
 * Written by hand for speed; dispatch-codec.spec.ts holds it to the generated code, both ways.
 *
 * encode*: TypeError for instances that are `local` (a bug: they cannot leave the process).
 * decode*: ServingError INVALID_ARGUMENT for anything but such a list. Unknown fields of newer schemas are skipped; byte fields are views.
 */
import { EntryBudget, maxTicketInstances, measureInstance, readInstance, writeInstance } from './dispatch-instances.js';
import { DispatchReader, malformed } from './dispatch-reader.js';
import {
  DispatchWriter,
  delimitedSize,
  measurePacked,
  remember,
  reserve,
  startMeasuring,
  stringSize,
  uintSize,
} from './dispatch-writer.js';
import type { Failure } from './failure.js';
import { failureSize, readFailure, writeFailure } from './failure-codec.js';
import { ServingError } from './serving-error.js';
import type { Answer, Assignment, Cancellation, HeldBytes, InstanceResult, Instances, Receipt, Refusal, Ticket } from './ticket.js';

/** What an address, subject or topic of the bus looks like (and at most 200 characters). */
export const busNamePattern = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

/** Whether this may be an address, subject or topic of the bus: at most 200 characters, [A-Za-z0-9_-]+ joined by single dots. */
export function isBusName(name: string): boolean {
  return name.length <= 200 && busNamePattern.test(name);
}

interface MessageCodec<M> {
  measure(message: M, now: number): number;
  write(writer: DispatchWriter, message: M, now: number): void;
  read(reader: DispatchReader, now: number, budget: EntryBudget): M;
}

function encodeList<M>(codec: MessageCodec<M>, messages: readonly M[]): Uint8Array {
  const now = performance.now();
  startMeasuring();
  let total = 0;
  for (let i = 0; i < messages.length; i++) {
    const place = reserve();
    total += delimitedSize(remember(place, codec.measure(messages[i] as M, now)));
  }
  const writer = new DispatchWriter(total);
  for (let i = 0; i < messages.length; i++) {
    writer.open(1);
    codec.write(writer, messages[i] as M, now);
  }
  return writer.finish();
}

function decodeList<M>(codec: MessageCodec<M>, bytes: Uint8Array): M[] {
  const now = performance.now();
  const reader = new DispatchReader(bytes);
  const budget = new EntryBudget();
  const messages: M[] = [];
  while (reader.more) {
    const tag = reader.tag();
    if (tag !== 10) {
      reader.skip(tag);
      continue;
    }
    budget.take();
    const outer = reader.open();
    messages.push(codec.read(reader, now, budget));
    reader.close(outer);
  }
  return messages;
}

/** Milliseconds left, as on the wire: 0 = no deadline, 1 = due or past. */
function timeLeft(deadlineAt: number, now: number): number {
  if (deadlineAt === Infinity) return 0;
  return Math.min(Math.max(Math.ceil(deadlineAt - now), 1), 0xffffffff);
}

let lastAddress = '';

function address(reader: DispatchReader): string {
  const name = reader.string();
  if (name === lastAddress && name !== '') return name;
  if (!isBusName(name)) malformed('an address is not a name');
  return (lastAddress = name);
}

function required(name: string, what: string): string {
  if (name.length === 0) malformed(`it has no ${what}`);
  return name;
}

const ticketCodec: MessageCodec<Ticket> = {
  measure(ticket, now) {
    const { instances } = ticket;
    if (instances.kind === 'local')
      throw new TypeError(`ticket ${ticket.id} of ${ticket.gateway} has local instances, they cannot leave the process`);
    if (instances.sizes.length > maxTicketInstances) {
      throw new ServingError(
        'RESOURCE_EXHAUSTED',
        `${instances.sizes.length} instances in one request, at most ${maxTicketInstances} are allowed`,
      );
    }
    let size =
      stringSize(ticket.gateway) + uintSize(ticket.id) + uintSize(ticket.attempt) + stringSize(ticket.servable) + uintSize(ticket.version);
    size += stringSize(ticket.method) + uintSize(ticket.firstInstance) + measurePacked(instances.sizes);
    if (instances.kind === 'inline') size += delimitedSize(instances.bytes.byteLength);
    else size += measureHeld(instances.held);
    size += uintSize(timeLeft(ticket.deadlineAt, now)) + stringSize(ticket.traceparent);
    return size + (ticket.priority < 0 ? 11 : uintSize(ticket.priority));
  },

  write(writer, ticket, now) {
    const { instances } = ticket;
    if (instances.kind === 'local') return;
    writer.string(1, ticket.gateway);
    writer.uint(2, ticket.id);
    writer.uint(3, ticket.attempt);
    writer.string(4, ticket.servable);
    writer.uint(5, ticket.version);
    writer.string(6, ticket.method);
    writer.uint(7, ticket.firstInstance);
    writer.packed(8, instances.sizes);
    if (instances.kind === 'inline') writer.bytes(9, instances.bytes);
    else writeHeld(writer, instances.held);
    writer.uint(11, timeLeft(ticket.deadlineAt, now));
    writer.int32(12, ticket.priority);
    writer.string(13, ticket.traceparent);
  },

  read(reader, now) {
    let gateway = '';
    let id = 0;
    let attempt = 0;
    let servable = '';
    let version = 0;
    let method = '';
    let firstInstance = 0;
    const sizes: number[] = [];
    let inline: Uint8Array | undefined;
    let held: HeldBytes | undefined;
    let timeoutMs = 0;
    let priority = 0;
    let traceparent = '';
    while (reader.more) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          gateway = address(reader);
          break;
        case 16:
          id = reader.uint();
          break;
        case 24:
          attempt = reader.uint32();
          break;
        case 34:
          servable = reader.string();
          break;
        case 40:
          version = reader.uint32();
          break;
        case 50:
          method = reader.string();
          break;
        case 56:
          firstInstance = reader.uint32();
          break;
        case 64:
        case 66:
          reader.repeated(tag, sizes, maxTicketInstances);
          break;
        case 74:
          inline = reader.bytes();
          held = undefined;
          break;
        case 82:
          held = readHeld(reader);
          inline = undefined;
          break;
        case 88:
          timeoutMs = reader.uint32();
          break;
        case 96:
          priority = reader.int32();
          break;
        case 106:
          traceparent = reader.string();
          break;
        default:
          reader.skip(tag);
      }
    }
    required(gateway, 'gateway');
    const instances = place(sizes, inline, held);
    const deadlineAt = timeoutMs === 0 ? Infinity : now + timeoutMs;
    return { gateway, id, attempt, servable, version, method, firstInstance, instances, deadlineAt, priority, traceparent };
  },
};

/** The instances of a ticket; the sizes must add up to what is there. */
function place(sizes: number[], inline: Uint8Array | undefined, held: HeldBytes | undefined): Instances {
  let total = 0;
  for (let i = 0; i < sizes.length; i++) total += sizes[i] as number;
  const length = inline?.byteLength ?? held?.length;
  if (total !== length) malformed('the sizes of the instances do not add up to their bytes');
  if (inline !== undefined) return { kind: 'inline', sizes, bytes: inline };
  if (held !== undefined) return { kind: 'held', sizes, held };
  return malformed('a ticket without instances');
}

function measureHeld(held: HeldBytes): number {
  const slot = reserve();
  return delimitedSize(remember(slot, stringSize(held.owner) + uintSize(held.id) + uintSize(held.offset) + uintSize(held.length)));
}

function writeHeld(writer: DispatchWriter, held: HeldBytes): void {
  writer.open(10);
  writeHeldFields(writer, held);
}

function writeHeldFields(writer: DispatchWriter, held: HeldBytes): void {
  writer.string(1, held.owner);
  writer.uint(2, held.id);
  writer.uint(3, held.offset);
  writer.uint(4, held.length);
}

function readHeld(reader: DispatchReader): HeldBytes {
  const outer = reader.open();
  const held = readHeldFields(reader);
  reader.close(outer);
  return held;
}

function readHeldFields(reader: DispatchReader): HeldBytes {
  let owner = '';
  let id = 0;
  let offset = 0;
  let length = 0;
  while (reader.more) {
    const tag = reader.tag();
    switch (tag) {
      case 10:
        owner = address(reader);
        break;
      case 16:
        id = reader.uint();
        break;
      case 24:
        offset = reader.uint();
        break;
      case 32:
        length = reader.uint();
        break;
      default:
        reader.skip(tag);
    }
  }
  required(owner, 'owner');
  if (!Number.isSafeInteger(offset + length)) malformed('a range of held bytes is out of range');
  return { owner, id, offset, length };
}

const assignmentCodec: MessageCodec<Assignment> = {
  measure(assignment, now) {
    const fields = stringSize(assignment.scheduler) + stringSize(assignment.replica);
    const slot = reserve();
    return fields + delimitedSize(remember(slot, ticketCodec.measure(assignment.ticket, now)));
  },
  write(writer, assignment, now) {
    writer.string(1, assignment.scheduler);
    writer.string(2, assignment.replica);
    writer.open(3);
    ticketCodec.write(writer, assignment.ticket, now);
  },
  read(reader, now, budget) {
    let scheduler = '';
    let replica = '';
    let ticket: Ticket | undefined;
    while (reader.more) {
      const tag = reader.tag();
      if (tag === 10) scheduler = address(reader);
      else if (tag === 18) replica = reader.string();
      else if (tag === 26) {
        const outer = reader.open();
        ticket = ticketCodec.read(reader, now, budget);
        reader.close(outer);
      } else reader.skip(tag);
    }
    required(scheduler, 'scheduler');
    if (ticket === undefined) return malformed('an assignment without a ticket');
    return { scheduler, replica, ticket };
  },
};

const answerCodec: MessageCodec<Answer> = {
  measure(answer) {
    let size = uintSize(answer.id) + uintSize(answer.attempt) + uintSize(answer.firstInstance);
    for (const result of answer.results) {
      const slot = reserve();
      if ('failure' in result) {
        size += delimitedSize(remember(slot, failureSize(result.failure)));
      } else {
        const outputs = reserve();
        size += delimitedSize(remember(slot, delimitedSize(remember(outputs, measureInstance(result.outputs)))));
      }
    }
    return size;
  },
  write(writer, answer) {
    writer.uint(1, answer.id);
    writer.uint(2, answer.attempt);
    writer.uint(3, answer.firstInstance);
    for (const result of answer.results) {
      writer.open(4);
      if ('failure' in result) {
        writeFailure(writer, 2, result.failure);
      } else {
        writer.open(1);
        writeInstance(writer, result.outputs);
      }
    }
  },
  read(reader, _now, budget) {
    let id = 0;
    let attempt = 0;
    let firstInstance = 0;
    const results: InstanceResult[] = [];
    while (reader.more) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          id = reader.uint();
          break;
        case 16:
          attempt = reader.uint32();
          break;
        case 24:
          firstInstance = reader.uint32();
          break;
        case 34:
          results.push(readResult(reader, budget));
          break;
        default:
          reader.skip(tag);
      }
    }
    return { id, attempt, firstInstance, results };
  },
};

function readResult(reader: DispatchReader, budget: EntryBudget): InstanceResult {
  budget.take();
  const outer = reader.open();
  let result: InstanceResult | undefined;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === 10) {
      const end = reader.open();
      result = { outputs: readInstance(reader, budget) };
      reader.close(end);
    } else if (tag === 18) {
      result = { failure: readFailure(reader) };
    } else {
      reader.skip(tag);
    }
  }
  reader.close(outer);
  return result ?? malformed('a result without outputs or failure');
}

const receiptCodec: MessageCodec<Receipt> = {
  measure(receipt) {
    const names = stringSize(receipt.replica) + stringSize(receipt.gateway);
    return names + uintSize(receipt.id) + uintSize(receipt.attempt) + uintSize(receipt.firstInstance) + uintSize(receipt.instances);
  },
  write(writer, receipt) {
    writer.string(1, receipt.replica);
    writer.string(2, receipt.gateway);
    writer.uint(3, receipt.id);
    writer.uint(4, receipt.attempt);
    writer.uint(5, receipt.firstInstance);
    writer.uint(6, receipt.instances);
  },
  read(reader) {
    let replica = '';
    let gateway = '';
    let id = 0;
    let attempt = 0;
    let firstInstance = 0;
    let instances = 0;
    while (reader.more) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          replica = reader.string();
          break;
        case 18:
          gateway = address(reader);
          break;
        case 24:
          id = reader.uint();
          break;
        case 32:
          attempt = reader.uint32();
          break;
        case 40:
          firstInstance = reader.uint32();
          break;
        case 48:
          instances = reader.uint32();
          break;
        default:
          reader.skip(tag);
      }
    }
    return { replica, gateway: required(gateway, 'gateway'), id, attempt, firstInstance, instances };
  },
};

const cancellationCodec: MessageCodec<Cancellation> = {
  measure: (cancellation) => stringSize(cancellation.gateway) + uintSize(cancellation.id),
  write(writer, cancellation) {
    writer.string(1, cancellation.gateway);
    writer.uint(2, cancellation.id);
  },
  read(reader) {
    let gateway = '';
    let id = 0;
    while (reader.more) {
      const tag = reader.tag();
      if (tag === 10) gateway = address(reader);
      else if (tag === 16) id = reader.uint();
      else reader.skip(tag);
    }
    return { gateway: required(gateway, 'gateway'), id };
  },
};

const refusalCodec: MessageCodec<Refusal> = {
  measure: (refusal) =>
    uintSize(refusal.id) +
    uintSize(refusal.attempt) +
    uintSize(refusal.firstInstance) +
    uintSize(refusal.instances) +
    failureSize(refusal.failure),
  write(writer, refusal) {
    writer.uint(1, refusal.id);
    writer.uint(2, refusal.attempt);
    writer.uint(3, refusal.firstInstance);
    writer.uint(4, refusal.instances);
    writeFailure(writer, 5, refusal.failure);
  },
  read(reader) {
    let id = 0;
    let attempt = 0;
    let firstInstance = 0;
    let instances = 0;
    let failure: Failure | undefined;
    while (reader.more) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          id = reader.uint();
          break;
        case 16:
          attempt = reader.uint32();
          break;
        case 24:
          firstInstance = reader.uint32();
          break;
        case 32:
          instances = reader.uint32();
          break;
        case 42:
          failure = readFailure(reader);
          break;
        default:
          reader.skip(tag);
      }
    }
    return { id, attempt, firstInstance, instances, failure: failure ?? malformed('a refusal without failure') };
  },
};

export const encodeTickets = (messages: readonly Ticket[]): Uint8Array => encodeList(ticketCodec, messages);
export const decodeTickets = (bytes: Uint8Array): Ticket[] => decodeList(ticketCodec, bytes);
export const encodeAssignments = (messages: readonly Assignment[]): Uint8Array => encodeList(assignmentCodec, messages);
export const decodeAssignments = (bytes: Uint8Array): Assignment[] => decodeList(assignmentCodec, bytes);
export const encodeAnswers = (messages: readonly Answer[]): Uint8Array => encodeList(answerCodec, messages);
export const decodeAnswers = (bytes: Uint8Array): Answer[] => decodeList(answerCodec, bytes);
export const encodeReceipts = (messages: readonly Receipt[]): Uint8Array => encodeList(receiptCodec, messages);
export const decodeReceipts = (bytes: Uint8Array): Receipt[] => decodeList(receiptCodec, bytes);
export const encodeCancellations = (messages: readonly Cancellation[]): Uint8Array => encodeList(cancellationCodec, messages);
export const decodeCancellations = (bytes: Uint8Array): Cancellation[] => decodeList(cancellationCodec, bytes);
export const encodeRefusals = (messages: readonly Refusal[]): Uint8Array => encodeList(refusalCodec, messages);
export const decodeRefusals = (bytes: Uint8Array): Refusal[] => decodeList(refusalCodec, bytes);

/** One HeldBytes message by itself: what the bus sends to the owner to ask for these bytes. */
export function encodeHeldBytes(held: HeldBytes): Uint8Array {
  startMeasuring();
  const writer = new DispatchWriter(stringSize(held.owner) + uintSize(held.id) + uintSize(held.offset) + uintSize(held.length));
  writeHeldFields(writer, held);
  return writer.finish();
}

export function decodeHeldBytes(bytes: Uint8Array): HeldBytes {
  return readHeldFields(new DispatchReader(bytes));
}
