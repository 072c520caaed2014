import { fieldSize, type TextCache } from '../protobuf/index.js';
import { Decoding } from './decoding.js';
import { Encoding } from './encoding.js';

/** How one kind of message is written as protobuf. Its fields are measured and written in the same order. */
export interface MessageCodec<M> {
  /** Size of the fields of the message. */
  measure(message: M, out: Encoding): number;
  write(message: M, out: Encoding): void;
  /** Reads the fields up to the end of the message that is open. */
  read(from: Decoding): M;
}

/** Size of a message as a field of another one. */
export function measureNested<M>(codec: MessageCodec<M>, message: M, out: Encoding): number {
  const place = out.reserve();
  return fieldSize(out.remember(place, codec.measure(message, out)));
}

/** Writes a message as a field of another one. */
export function writeNested<M>(codec: MessageCodec<M>, field: number, message: M, out: Encoding): void {
  out.open(field);
  codec.write(message, out);
}

/** Reads a message that is a field of another one. */
export function readNested<M>(codec: MessageCodec<M>, from: Decoding): M {
  const outer = from.reader.open();
  const message = codec.read(from);
  from.reader.close(outer);
  return message;
}

/** One message by itself. */
export function encodeMessage<M>(codec: MessageCodec<M>, message: M): Uint8Array {
  const out = new Encoding();
  out.begin(codec.measure(message, out));
  codec.write(message, out);
  return out.finish();
}

/** Reads one message. Throws ServingError INVALID_ARGUMENT for bytes that are none. */
export function decodeMessage<M>(codec: MessageCodec<M>, bytes: Uint8Array): M {
  return codec.read(new Decoding(bytes));
}

/** A list of messages: field 1 of a message of its own. */
export function encodeList<M>(codec: MessageCodec<M>, messages: readonly M[]): Uint8Array {
  const out = new Encoding();
  let size = 0;
  for (let i = 0; i < messages.length; i++) size += measureNested(codec, messages[i] as M, out);
  out.begin(size);
  for (let i = 0; i < messages.length; i++) writeNested(codec, 1, messages[i] as M, out);
  return out.finish();
}

/** Reads a list of messages. Throws ServingError INVALID_ARGUMENT for bytes that are none. */
export function decodeList<M>(codec: MessageCodec<M>, bytes: Uint8Array, texts: TextCache | undefined): M[] {
  const from = new Decoding(bytes, texts);
  const { reader } = from;
  const messages: M[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 10) {
      from.countEntry();
      messages.push(readNested(codec, from));
    } else reader.skip(tag);
  }
  return messages;
}
