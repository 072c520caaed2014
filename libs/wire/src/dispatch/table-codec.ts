import { stringFieldSize, uintFieldSize } from '../protobuf/index.js';
import type { Decoding } from './decoding.js';
import type { Encoding } from './encoding.js';
import { measureNested, readNested, writeNested, type MessageCodec } from './message-codec.js';

/** How the values of one kind of field are written. */
export interface FieldType<V> {
  /** 0: varint, 2: length-delimited. */
  readonly wireType: 0 | 2;
  /** The message is malformed without it. */
  readonly isRequired: boolean;
  /** What the field is when it did not come. */
  readonly absent: V | undefined;
  size(value: V, out: Encoding): number;
  write(field: number, value: V, out: Encoding): void;
  read(from: Decoding): V;
}

/** A number of 0 to 2^53 - 1 (uint64). */
export const uint: FieldType<number> = {
  wireType: 0,
  isRequired: false,
  absent: 0,
  size: (value) => uintFieldSize(value),
  write: (field, value, out) => out.writer.uint(field, value),
  read: (from) => from.reader.uint(),
};

/** A number of 0 to 2^32 - 1. */
export const uint32: FieldType<number> = { ...uint, read: (from) => from.reader.uint32() };

/** A flag. */
export const bool: FieldType<boolean> = {
  wireType: 0,
  isRequired: false,
  absent: false,
  size: (value) => uintFieldSize(value ? 1 : 0),
  write: (field, value, out) => out.writer.uint(field, value ? 1 : 0),
  read: (from) => from.reader.uint() !== 0,
};

/** A text field. */
export const string: FieldType<string> = {
  wireType: 2,
  isRequired: false,
  absent: '',
  size: (value) => stringFieldSize(value),
  write: (field, value, out) => out.writer.string(field, value),
  read: (from) => from.reader.string(),
};

/** An address of the bus; the message must have it. */
export const address: FieldType<string> = { ...string, isRequired: true, absent: undefined, read: (from) => from.address() };

/** Another message; this one must have it. */
export function nested<M>(codec: MessageCodec<M>): FieldType<M> {
  return {
    wireType: 2,
    isRequired: true,
    absent: undefined,
    size: (value, out) => measureNested(codec, value, out),
    write: (field, value, out) => writeNested(codec, field, value, out),
    read: (from) => readNested(codec, from),
  };
}

/** The same kind of field, which the message may lack: undefined then, and not written. */
export function optional<V>(type: FieldType<V>): FieldType<V | undefined> {
  return {
    wireType: type.wireType,
    isRequired: false,
    absent: undefined,
    size: (value, out) => (value === undefined ? 0 : type.size(value, out)),
    write: (field, value, out) => {
      if (value !== undefined) type.write(field, value, out);
    },
    read: (from) => type.read(from),
  };
}

/** The fields of a message, by name: their numbers (1 to 15) and types. */
export type FieldTable<M> = { readonly [Name in keyof M]-?: readonly [number: number, type: FieldType<M[Name]>] };

interface Row {
  readonly name: string;
  readonly field: number;
  readonly tag: number;
  readonly type: FieldType<unknown>;
}

/**
 * A codec from a table of fields: enough for any message that is not on the hot path of every request. Fields are written in the order of
 * the table; unknown ones are skipped; a message without a field that it must have is malformed.
 */
export function tableCodec<M extends object>(what: string, fields: FieldTable<M>): MessageCodec<M> {
  const rows = (Object.keys(fields) as (keyof M & string)[]).map((name): Row => {
    const [field, type] = fields[name];
    return { name, field, tag: field * 8 + type.wireType, type: type as FieldType<unknown> };
  });
  const required = rows.filter(({ type }) => type.isRequired).map(({ name }) => name);
  const blank = Object.fromEntries(rows.map(({ name, type }) => [name, type.absent]));
  const valueOf = (message: M, name: string): unknown => (message as Record<string, unknown>)[name];
  return {
    measure(message, out) {
      let size = 0;
      for (const { name, type } of rows) size += type.size(valueOf(message, name), out);
      return size;
    },
    write(message, out) {
      for (const { name, field, type } of rows) type.write(field, valueOf(message, name), out);
    },
    read(from) {
      const { reader } = from;
      const message: Record<string, unknown> = { ...blank };
      for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
        const row = rows.find((candidate) => candidate.tag === tag);
        if (row === undefined) reader.skip(tag);
        else message[row.name] = row.type.read(from);
      }
      for (const name of required) if (message[name] === undefined) throw reader.fault(`${what} has no ${name}`);
      return message as M;
    },
  };
}
