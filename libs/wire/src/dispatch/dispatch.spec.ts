import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import * as generated from '../gen/mserve/bus/v1/dispatch.js';
import {
  decodeAnswers,
  decodeAssignments,
  decodeCancellations,
  decodeHeldBytes,
  decodeReceipts,
  decodeRefusals,
  decodeTickets,
  encodeAnswers,
  encodeAssignments,
  encodeCancellations,
  encodeHeldBytes,
  encodeInstancesInto,
  encodeReceipts,
  encodeRefusals,
  encodeTickets,
} from './index.js';
import { maxListEntries } from './decoding.js';
import { absent } from '../tensor.js';
import { decodeInstances, encodeInstances } from './instance-codec.js';
import { dtypeEntry, dtypeTable } from '../dtype.js';
import { servingErrorCodes } from '../error-code.js';
import type { Failure } from '../failure.js';
import { reasons, reasonTable, type Facts } from '../reason.js';
import { ServingError } from '../serving-error.js';
import { packElements, type Instance, type Tensor } from '../tensor.js';
import { sliceInstances, type Answer, type Assignment, type HeldBytes, type Instances, type Ticket } from '../ticket.js';

const address = fc.stringMatching(/^[a-z]{1,8}-[0-9a-f]{8}$/);
const text = fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constant('\ufeffbom'));
const uint32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffffffff }));
const uint53 = fc.oneof(fc.nat(300), fc.maxSafeNat());
const bytes = fc.uint8Array({ maxLength: 200 });

const tensor: fc.Arbitrary<Tensor> = fc.constantFrom(...dtypeTable).chain(({ dtype, elementBytes }) =>
  fc.array(fc.nat(4), { maxLength: 3 }).chain((shape) => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const content =
      elementBytes === 0
        ? fc.array(fc.uint8Array({ maxLength: 5 }), { minLength: count, maxLength: count }).map(packElements)
        : fc.uint8Array({ minLength: count * elementBytes, maxLength: count * elementBytes });
    return content.map((elements) => ({ dtype, shape, bytes: elements }));
  }),
);
const place = fc.record({ slab: uint53, token: uint53, slot: uint53, generation: uint53 });
const held = fc.record({
  owner: address,
  id: uint53,
  offset: fc.nat(1 << 30),
  length: fc.nat(1 << 30),
  shared: fc.option(place, { nil: undefined }),
  direct: fc.option(fc.record({ address: text, token: uint53 }), { nil: undefined }),
});
const instance: fc.Arbitrary<Instance> = fc.array(tensor, { maxLength: 3 });

const travelling: fc.Arbitrary<Instances> = fc.array(instance, { maxLength: 4 }).chain((list) => {
  const encoded = encodeInstances(list);
  const length = encoded.bytes.byteLength;
  return fc.oneof(
    fc.constant<Instances>({ kind: 'inline', ...encoded }),
    held.map<Instances>((one) => ({ kind: 'held', sizes: encoded.sizes, held: { ...one, length } })),
  );
});
const ticket: fc.Arbitrary<Ticket> = fc.record({
  gateway: address,
  id: uint53,
  key: uint53,
  attempt: uint32,
  servable: text,
  version: uint53,
  method: text,
  firstInstance: uint32,
  instances: travelling,
  deadlineAt: fc.constant(Infinity),
  priority: fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: -3, max: 3 })),
  watch: fc.option(fc.record({ traceparent: text, tracestate: text, isTimed: fc.boolean() }), { nil: undefined }),
  context: fc.option(fc.record({ id: text, headers: text, parameters: text }), { nil: undefined }),
});
const assignment: fc.Arbitrary<Assignment> = fc.record({
  scheduler: address,
  replica: text,
  ticket: ticket.map((one) => ({ ...one, key: 0 })),
  grant: uint53,
  queuedUs: uint53,
});
/** With what is not given left out, as decoding leaves it out. */
const facts: fc.Arbitrary<Facts> = fc
  .record({
    servable: text,
    version: text,
    method: text,
    model: text,
    function: text,
    input: text,
    output: text,
    expected: text,
    given: text,
    detail: text,
    stage: uint53,
    limit: uint53,
    attempts: uint53,
  } satisfies { [Name in keyof Required<Facts>]: unknown })
  .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== '' && value !== 0)));
const failure: fc.Arbitrary<Failure> = fc.oneof(
  fc.record({ code: fc.constantFrom(...servingErrorCodes), message: text }),
  fc
    .record({ reason: fc.constantFrom(...reasons), message: text, facts })
    .map((record) => ({ ...record, code: reasonTable[record.reason].code })),
);
const noFacts = Object.fromEntries(
  Object.keys(generated.Facts.decode(new Uint8Array())).map((name) => [name, ['stage', 'limit', 'attempts'].includes(name) ? 0 : '']),
) as unknown as generated.Facts;
const generatedFailure = ({ code, message, reason, facts: given }: Failure): generated.InstanceFailure => ({
  code,
  message,
  reason: reason ?? '',
  facts: given && ({ ...noFacts, ...given } as generated.Facts),
});
const answer: fc.Arbitrary<Answer> = fc.record({
  id: uint53,
  attempt: uint32,
  firstInstance: uint32,
  results: fc.array(
    fc.oneof(
      instance.map((outputs) => ({ outputs })),
      failure.map((failed) => ({ failure: failed })),
      held.map((one) => ({ held: one })),
    ),
    { maxLength: 4 },
  ),
  grant: uint53,
  grantedFirst: uint32,
  grantedInstances: uint32,
  steps: fc.option(fc.record({ queuedUs: uint53, waitUs: uint53, runUs: uint53, functionUs: uint53 }), { nil: undefined }),
});
const receipt = fc.record({
  replica: text,
  gateway: address,
  id: uint53,
  attempt: uint32,
  firstInstance: uint32,
  instances: uint32,
  grant: uint53,
});
const cancellation = fc.record({ gateway: address, id: uint53 });
const refusal = fc.record({ id: uint53, attempt: uint32, firstInstance: uint32, instances: uint32, failure, key: uint53 });

const generatedTensor = ({ dtype, shape, bytes: elements }: Tensor): generated.Tensor => {
  return { dtype: dtypeEntry(dtype).busNumber, shape: [...shape], bytes: elements };
};
const generatedInstance = (tensors: Instance): generated.Instance => ({
  tensors: tensors.map(generatedTensor),
  padding: new Uint8Array(0),
});
const generatedHeld = ({ shared, direct, ...rest }: HeldBytes): generated.HeldBytes => ({ ...rest, shared, direct });
const generatedTicket = ({ instances, deadlineAt: _, ...rest }: Ticket): generated.Ticket => {
  if (instances.kind === 'local') throw new TypeError('local');
  const place =
    instances.kind === 'inline'
      ? { $case: 'inline' as const, value: instances.bytes }
      : { $case: 'held' as const, value: generatedHeld(instances.held) };
  return { ...rest, instanceBytes: [...instances.sizes], place, timeoutMs: 0 };
};
const generatedAnswer = ({ results, steps, ...rest }: Answer): generated.Answer => ({
  ...rest,
  steps,
  results: results.map((result) => ({
    result:
      'failure' in result
        ? { $case: 'failure' as const, value: generatedFailure(result.failure) }
        : 'held' in result
          ? { $case: 'held' as const, value: generatedHeld(result.held) }
          : { $case: 'outputs' as const, value: generatedInstance(result.outputs) },
  })),
});

/** The generated code sees Buffers in Node; compared as plain values. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_, entry: unknown) => (entry instanceof Uint8Array ? Buffer.from(entry).toString('hex') : entry));
  return JSON.parse(text, (_, entry: unknown) => {
    const buffer = entry as { type?: string; data?: number[] } | null;
    return buffer?.type === 'Buffer' && buffer.data !== undefined ? Buffer.from(buffer.data).toString('hex') : entry;
  });
}

/** Ours and the generated code write the same bytes and read each other's. */
function agrees<M, G>(
  message: fc.Arbitrary<M>,
  encode: (messages: readonly M[]) => Uint8Array,
  decode: (encoded: Uint8Array) => M[],
  toGenerated: (message: M) => G,
  list: { encode(messages: G[]): Uint8Array; decode(encoded: Uint8Array): G[] },
): void {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
      const ours = encode(messages);
      const theirs = list.encode(messages.map(toGenerated));
      expect(Buffer.from(ours).toString('hex')).toBe(Buffer.from(theirs).toString('hex'));
      expect(decode(theirs)).toEqual(messages);
      expect(plain(list.decode(ours))).toEqual(plain(messages.map(toGenerated)));
    }),
    { numRuns: 200 },
  );
}

const encodings: readonly (readonly [string, (encoded: Uint8Array) => unknown, fc.Arbitrary<Uint8Array>])[] = [
  ['tickets', decodeTickets, fc.array(ticket, { minLength: 1, maxLength: 2 }).map(encodeTickets)],
  ['assignments', decodeAssignments, fc.array(assignment, { minLength: 1, maxLength: 2 }).map(encodeAssignments)],
  ['answers', decodeAnswers, fc.array(answer, { minLength: 1, maxLength: 2 }).map(encodeAnswers)],
  ['receipts', decodeReceipts, fc.array(receipt, { minLength: 1, maxLength: 2 }).map(encodeReceipts)],
  ['cancellations', decodeCancellations, fc.array(cancellation, { minLength: 1, maxLength: 2 }).map(encodeCancellations)],
  ['refusals', decodeRefusals, fc.array(refusal, { minLength: 1, maxLength: 2 }).map(encodeRefusals)],
  ['held bytes', decodeHeldBytes, held.map(encodeHeldBytes)],
];

/** Runs it and expects a value or INVALID_ARGUMENT, nothing else. */
function survives(decode: (encoded: Uint8Array) => unknown, encoded: Uint8Array): void {
  try {
    decode(encoded);
  } catch (error) {
    expect(error).toBeInstanceOf(ServingError);
    expect((error as ServingError).code).toBe('INVALID_ARGUMENT');
  }
}

const malformed = (code = 'INVALID_ARGUMENT'): unknown => expect.objectContaining({ code });

describe('the codec of the hot path', () => {
  it('agrees with the generated code on tickets', () => {
    agrees(ticket, encodeTickets, decodeTickets, generatedTicket, {
      encode: (tickets) => generated.TicketList.encode({ tickets }).finish(),
      decode: (encoded) => generated.TicketList.decode(encoded).tickets,
    });
  });

  it('agrees with the generated code on assignments', () => {
    agrees(
      assignment,
      encodeAssignments,
      decodeAssignments,
      ({ ticket: inner, ...rest }) => ({ ...rest, ticket: generatedTicket(inner) }),
      {
        encode: (assignments) => generated.AssignmentList.encode({ assignments }).finish(),
        decode: (encoded) =>
          generated.AssignmentList.decode(encoded).assignments as {
            scheduler: string;
            replica: string;
            ticket: generated.Ticket;
            grant: number;
            queuedUs: number;
          }[],
      },
    );
  });

  it('agrees with the generated code on answers', () => {
    agrees(answer, encodeAnswers, decodeAnswers, generatedAnswer, {
      encode: (answers) => generated.AnswerList.encode({ answers }).finish(),
      decode: (encoded) => generated.AnswerList.decode(encoded).answers,
    });
  });

  it('agrees with the generated code on receipts, cancellations and refusals', () => {
    agrees(receipt, encodeReceipts, decodeReceipts, (message) => message, {
      encode: (receipts) => generated.ReceiptList.encode({ receipts }).finish(),
      decode: (encoded) => generated.ReceiptList.decode(encoded).receipts,
    });
    agrees(cancellation, encodeCancellations, decodeCancellations, (message) => message, {
      encode: (cancellations) => generated.CancellationList.encode({ cancellations }).finish(),
      decode: (encoded) => generated.CancellationList.decode(encoded).cancellations,
    });
    agrees<typeof refusal extends fc.Arbitrary<infer R> ? R : never, generated.Refusal>(
      refusal,
      encodeRefusals,
      decodeRefusals,
      (message) => ({ ...message, failure: generatedFailure(message.failure) }),
      {
        encode: (refusals) => generated.RefusalList.encode({ refusals }).finish(),
        decode: (encoded) => generated.RefusalList.decode(encoded).refusals,
      },
    );
  });

  it('leaves the code of a failure whose reason only a newer version knows, or whose reason is not one of its code', () => {
    const sent = (code: string, reason: string): Failure | undefined => {
      const one = { code, message: 'text', reason, facts: { ...noFacts, servable: 's' } };
      const encoded = generated.RefusalList.encode({
        refusals: [{ id: 1, attempt: 1, firstInstance: 0, instances: 1, failure: one, key: 0 }],
      }).finish();
      return decodeRefusals(encoded)[0]?.failure;
    };
    expect(sent('UNAVAILABLE', 'servable-unavailable')).toMatchObject({ code: 'UNAVAILABLE', reason: 'servable-unavailable' });
    expect(sent('UNAVAILABLE', 'moon-in-the-way')).toEqual({ code: 'UNAVAILABLE', message: 'text' });
    expect(sent('UNAVAILABLE', 'toString')).toEqual({ code: 'UNAVAILABLE', message: 'text' });
    expect(sent('NOT_FOUND', 'servable-unavailable')).toEqual({ code: 'NOT_FOUND', message: 'text' });
    expect(sent('TEAPOT', 'servable-unavailable')).toEqual({ code: 'INTERNAL', message: 'text' });
  });

  it('agrees with the generated code on single references to held bytes', () => {
    fc.assert(
      fc.property(held, (one) => {
        expect(Buffer.from(encodeHeldBytes(one))).toEqual(Buffer.from(generated.HeldBytes.encode(generatedHeld(one)).finish()));
        expect(decodeHeldBytes(encodeHeldBytes(one))).toEqual(one);
      }),
    );
  });

  it('encodes instances into bytes that are given, tensors at multiples of 64, and they read as the same', () => {
    fc.assert(
      fc.property(fc.array(instance, { maxLength: 6 }), (instances) => {
        const encoded = encodeInstancesInto(instances, (size) => new Uint8Array(size + 8).subarray(0, size));
        if (encoded === undefined) throw new TypeError('there was room');
        const decoded = decodeInstances(encoded.sizes, encoded.bytes);
        expect(decoded).toEqual(instances);
        for (const { bytes } of decoded.flat())
          if (bytes.byteLength > 0) expect((bytes.byteOffset - encoded.bytes.byteOffset) % 64).toBe(0);
        let at = 0;
        const theirs = encoded.sizes.map((size) => generated.Instance.decode(encoded.bytes.subarray(at, (at += size))));
        expect(theirs.map(({ tensors }) => tensors.length)).toEqual(instances.map((each) => each.length));
      }),
    );
    expect(encodeInstancesInto([], () => undefined)).toBeUndefined();
  });

  it('encodes instances as Instance messages one after the other, and slices of them decode', () => {
    fc.assert(
      fc.property(fc.array(instance, { maxLength: 6 }), fc.nat(6), fc.nat(6), (instances, a, b) => {
        const encoded = encodeInstances(instances);
        const theirs = instances.map((tensors) => generated.Instance.encode(generatedInstance(tensors)).finish());
        expect(Buffer.from(encoded.bytes)).toEqual(Buffer.concat(theirs));
        expect(encoded.sizes).toEqual(theirs.map((one) => one.byteLength));
        const [from, to] = [Math.min(a, b, instances.length), Math.min(Math.max(a, b), instances.length)];
        const slice = sliceInstances({ kind: 'inline', ...encoded }, from, to);
        if (slice.kind !== 'inline') throw new TypeError('slice of inline');
        expect(decodeInstances(slice.sizes, slice.bytes)).toEqual(instances.slice(from, to));
      }),
    );
  });

  it('an input that was left out is the same object again', () => {
    const given = { dtype: 'uint8', shape: [1], bytes: Uint8Array.of(7) } as const;
    const { sizes, bytes } = encodeInstances([
      [absent, given],
      [given, absent],
    ]);
    const [first, second] = decodeInstances(sizes, bytes);
    expect([first?.[0], second?.[1]].map((tensor) => tensor === absent)).toEqual([true, true]);
    expect([first?.[1]?.bytes, second?.[0]?.bytes]).toEqual([given.bytes, given.bytes]);
  });

  it('gives tensors as views that are no Buffers, whatever they were decoded from', () => {
    const encoded = encodeInstances([[{ dtype: 'uint8', shape: [3], bytes: new Uint8Array([1, 2, 3]) }]]);
    const buffer = Buffer.from(encoded.bytes);
    const decoded = decodeInstances(encoded.sizes, buffer)[0]?.[0] as Tensor;
    expect(decoded.bytes.buffer).toBe(buffer.buffer);
    expect(decoded.bytes.constructor).toBe(Uint8Array);
  });

  it('carries deadlines as the time that is left', () => {
    const one: Ticket = {
      gateway: 'g-1',
      id: 1,
      key: 0,
      attempt: 1,
      servable: 's',
      version: 1,
      method: 'm',
      firstInstance: 0,
      instances: { kind: 'inline', sizes: [], bytes: new Uint8Array(0) },
      deadlineAt: performance.now() + 60_000,
      priority: 0,
      watch: undefined,
      context: undefined,
    };
    const wire = (deadlineAt: number): number =>
      generated.TicketList.decode(encodeTickets([{ ...one, deadlineAt }])).tickets[0]?.timeoutMs as number;
    expect(wire(Infinity)).toBe(0);
    expect(wire(performance.now() - 5)).toBe(1);
    expect(wire(-Infinity)).toBe(1);
    expect(wire(1e300)).toBe(0xffffffff);
    const left = (decodeTickets(encodeTickets([one]))[0] as Ticket).deadlineAt - performance.now();
    expect(left).toBeGreaterThan(30_000);
    expect(left).toBeLessThanOrEqual(60_001);
    expect((decodeTickets(encodeTickets([{ ...one, deadlineAt: Infinity }]))[0] as Ticket).deadlineAt).toBe(Infinity);
  });

  it('refuses to encode local instances', () => {
    fc.assert(
      fc.property(assignment, (good) => {
        const local = { ...good.ticket, instances: { kind: 'local' as const, instances: [] } };
        expect(() => encodeTickets([good.ticket, local])).toThrow(TypeError);
        expect(() => encodeAssignments([{ ...good, ticket: local }])).toThrow(TypeError);
        expect(decodeTickets(encodeTickets([good.ticket]))).toEqual([good.ticket]);
      }),
      { numRuns: 20 },
    );
  });

  it.each(encodings)('survives garbage and changed or cut %s', (_, decode, good) => {
    fc.assert(
      fc.property(bytes, (garbage) => survives(decode, garbage)),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(good, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(), (encoded, changes, cut) => {
        const changed = encoded.slice();
        for (const [at, value] of changes) changed[at % changed.byteLength] = value;
        survives(decode, changed);
        survives(decode, encoded.subarray(0, cut % encoded.byteLength));
      }),
      { numRuns: 500 },
    );
  });

  it.each(encodings)('reads %s that a newer version wrote: unknown fields are skipped', (_, decode, good) => {
    const unknown = Buffer.from([0xf8, 0x01, 0x07, 0xfa, 0x01, 0x02, 1, 2, 0xfd, 0x01, 1, 2, 3, 4, 0xf9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8]);
    fc.assert(
      fc.property(good, (encoded) => expect(decode(Buffer.concat([unknown, encoded, unknown]))).toEqual(decode(encoded))),
      { numRuns: 50 },
    );
  });

  it('reads repeated numbers that are not packed', () => {
    const packed = encodeInstances([[{ dtype: 'uint8', shape: [1, 2], bytes: new Uint8Array(2) }]]);
    const unpacked = Buffer.from([10, 10, 8, 3, 16, 1, 16, 2, 26, 2, 0, 0]);
    expect(decodeInstances([unpacked.byteLength], unpacked)).toEqual(decodeInstances(packed.sizes, packed.bytes));
  });

  it.each([
    ['more tickets than it has bytes for', new Uint8Array([10, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ['an endless number', new Uint8Array(20).fill(0xff)],
    ['field number 0', new Uint8Array([2, 0])],
    ['a group that does not end', new Uint8Array([11, 8, 1])],
    ['a ticket without gateway', new Uint8Array([10, 2, 74, 0])],
    ['a ticket for a gateway with a bad name', new Uint8Array([10, 7, 10, 3, 0x61, 0x2e, 0x3e, 74, 0])],
    ['a ticket without instances', new Uint8Array([10, 3, 10, 1, 0x61])],
    ['sizes that do not add up', new Uint8Array([10, 8, 10, 1, 0x61, 66, 1, 5, 74, 0])],
    ['a text that is no UTF-8', new Uint8Array([10, 8, 10, 1, 0x61, 34, 1, 0xff, 74, 0])],
  ])('refuses %s', (_, encoded) => {
    expect(() => decodeTickets(encoded)).toThrow(malformed() as Error);
  });

  it('bounds what a list can make it allocate', () => {
    const results = new Uint8Array(2 * (maxListEntries + 1) * 2);
    for (let i = 0; i < results.length; i += 4) results.set([34, 2, 10, 0], i);
    const list = generated.AnswerList.encode({ answers: [] }).finish();
    const body = Buffer.concat([list, Buffer.from([10, ...varint(results.length)]), results]);
    expect(() => decodeAnswers(body)).toThrow(malformed() as Error);
  });

  it.each([
    ['too few bytes', [3], [10, 1, 8, 3]],
    ['a rest', [2], [10, 0, 10, 0]],
    ['an unknown dtype', [4], [10, 2, 8, 99]],
    ['bytes that do not fit the shape', [8], [10, 6, 8, 3, 18, 2, 1, 2]],
    ['elements that do not fill a string', [9], [10, 7, 8, 13, 26, 3, 0, 0, 0]],
    ['a string longer than its bytes', [10], [10, 8, 8, 13, 26, 4, 0xff, 0xff, 0xff, 0xff]],
  ])('refuses instances with %s', (_, sizes, encoded) => {
    expect(() => decodeInstances(sizes, new Uint8Array(encoded))).toThrow(malformed() as Error);
  });
});

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
