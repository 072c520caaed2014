import { fieldSize, stringFieldSize, uintFieldSize } from '../protobuf/index.js';
import type { Instances, InstancesOf, RequestContext, RequestWatch, Ticket } from '../ticket.js';
import type { Decoding } from './decoding.js';
import { heldBytesCodec } from './held-bytes.js';
import { checkInstanceCount, maxTicketInstances } from './instance-codec.js';
import type { Encoding } from './encoding.js';
import { measureNested, readNested, writeNested, type MessageCodec } from './message-codec.js';
import { bool, string, tableCodec } from './table-codec.js';

/** Milliseconds left, as on the wire: 0 = no deadline, 1 = due or past. */
function timeLeft(deadlineAt: number, now: number): number {
  if (deadlineAt === Infinity) return 0;
  return Math.min(Math.max(Math.ceil(deadlineAt - now), 1), 0xffffffff);
}

const watchCodec = tableCodec<RequestWatch>('a watch', { traceparent: [1, string], tracestate: [2, string], isTimed: [3, bool] });

const contextCodec = tableCodec<RequestContext>('a context', { id: [1, string], headers: [2, string], parameters: [3, string] });

/** The kinds of instances that can leave the process. */
type TravellingKind = Exclude<Instances['kind'], 'local'>;

/** The field of a ticket that says where instances of one kind are. The sizes have a field of their own. */
interface PlaceCodec<Kind extends TravellingKind> {
  measure(instances: InstancesOf<Kind>, out: Encoding): number;
  write(instances: InstancesOf<Kind>, out: Encoding): void;
  read(from: Decoding, sizes: readonly number[]): InstancesOf<Kind>;
  /** What the sizes have to add up to. */
  bytesOf(instances: InstancesOf<Kind>): number;
}

const inlineField = 9;
const heldField = 10;

const placeCodecs: { readonly [Kind in TravellingKind]: PlaceCodec<Kind> } = {
  inline: {
    measure: ({ bytes }) => fieldSize(bytes.byteLength),
    write: ({ bytes }, { writer }) => writer.field(inlineField, bytes),
    read: ({ reader }, sizes) => ({ kind: 'inline', sizes, bytes: reader.view() }),
    bytesOf: ({ bytes }) => bytes.byteLength,
  },
  held: {
    measure: ({ held }, out) => measureNested(heldBytesCodec, held, out),
    write: ({ held }, out) => writeNested(heldBytesCodec, heldField, held, out),
    read: (from, sizes) => ({ kind: 'held', sizes, held: readNested(heldBytesCodec, from) }),
    bytesOf: ({ held }) => held.length,
  },
};

function placeCodec(kind: TravellingKind): PlaceCodec<TravellingKind> {
  return placeCodecs[kind] as PlaceCodec<TravellingKind>; // given only instances of its kind
}

/** A ticket as a worker gets it: without its key. The messages of the hot path are written field by field: a table would cost every request. */
export const assignedTicketCodec: MessageCodec<Ticket> = {
  measure(ticket, out) {
    const { instances } = ticket;
    if (instances.kind === 'local')
      throw new TypeError(`ticket ${ticket.id} of ${ticket.gateway} has local instances, they cannot leave the process`);
    checkInstanceCount(instances.sizes.length);
    let size = stringFieldSize(ticket.gateway) + uintFieldSize(ticket.id) + uintFieldSize(ticket.attempt);
    size += stringFieldSize(ticket.servable) + uintFieldSize(ticket.version) + stringFieldSize(ticket.method);
    size += uintFieldSize(ticket.firstInstance) + out.measurePacked(instances.sizes);
    size += placeCodec(instances.kind).measure(instances, out);
    size += uintFieldSize(timeLeft(ticket.deadlineAt, out.now));
    if (ticket.watch !== undefined) size += measureNested(watchCodec, ticket.watch, out);
    if (ticket.context !== undefined) size += measureNested(contextCodec, ticket.context, out);
    return size + (ticket.priority < 0 ? 11 : uintFieldSize(ticket.priority));
  },

  write(ticket, out) {
    const { instances } = ticket;
    if (instances.kind === 'local') return;
    const { writer } = out;
    writer.string(1, ticket.gateway);
    writer.uint(2, ticket.id);
    writer.uint(3, ticket.attempt);
    writer.string(4, ticket.servable);
    writer.uint(5, ticket.version);
    writer.string(6, ticket.method);
    writer.uint(7, ticket.firstInstance);
    out.writePacked(8, instances.sizes);
    placeCodec(instances.kind).write(instances, out);
    writer.uint(11, timeLeft(ticket.deadlineAt, out.now));
    writer.int32(12, ticket.priority);
    if (ticket.watch !== undefined) writeNested(watchCodec, 13, ticket.watch, out);
    if (ticket.context !== undefined) writeNested(contextCodec, 14, ticket.context, out);
  },

  read(from) {
    const { reader, now } = from;
    let gateway = '';
    let id = 0;
    let attempt = 0;
    let servable = '';
    let version = 0;
    let method = '';
    let firstInstance = 0;
    const sizes: number[] = [];
    let instances: InstancesOf<TravellingKind> | undefined;
    let timeoutMs = 0;
    let priority = 0;
    let watch: RequestWatch | undefined;
    let context: RequestContext | undefined;
    let key = 0;
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      switch (tag) {
        case 10:
          gateway = from.address();
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
          version = reader.uint();
          break;
        case 50:
          method = reader.string();
          break;
        case 56:
          firstInstance = reader.uint32();
          break;
        case 64:
        case 66:
          reader.uints(tag, sizes, maxTicketInstances);
          break;
        case 74:
          instances = placeCodecs.inline.read(from, sizes);
          break;
        case 82:
          instances = placeCodecs.held.read(from, sizes);
          break;
        case 88:
          timeoutMs = reader.uint32();
          break;
        case 96:
          priority = reader.int32();
          break;
        case 106:
          watch = readNested(watchCodec, from);
          break;
        case 114:
          context = readNested(contextCodec, from);
          break;
        case 120:
          key = reader.uint();
          break;
        default:
          reader.skip(tag);
      }
    }
    from.required(gateway, 'gateway');
    if (instances === undefined) throw reader.fault('a ticket without instances');
    let total = 0;
    for (let i = 0; i < sizes.length; i++) total += sizes[i] as number;
    if (total !== placeCodec(instances.kind).bytesOf(instances))
      throw reader.fault('the sizes of the instances do not add up to their bytes');
    const deadlineAt = timeoutMs === 0 ? Infinity : now + timeoutMs;
    return { gateway, id, key, attempt, servable, version, method, firstInstance, instances, deadlineAt, priority, watch, context };
  },
};

/** A ticket as a scheduler gets it. */
export const ticketCodec: MessageCodec<Ticket> = {
  measure: (ticket, out) => assignedTicketCodec.measure(ticket, out) + uintFieldSize(ticket.key),
  write(ticket, out) {
    assignedTicketCodec.write(ticket, out);
    out.writer.uint(15, ticket.key);
  },
  read: (from) => assignedTicketCodec.read(from),
};
