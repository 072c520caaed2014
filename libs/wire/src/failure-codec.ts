import type { DispatchReader } from './dispatch-reader.js';
import { delimitedSize, remember, reserve, stringSize, uintSize, type DispatchWriter } from './dispatch-writer.js';
import { servingErrorCodes } from './error-code.js';
import type { Failure } from './failure.js';
import { knownReason, type Facts } from './reason.js';

type FactsOf<T> = { readonly [Name in keyof Facts]-?: Exclude<Facts[Name], undefined> extends T ? Name : never }[keyof Facts];

/** Fields 1 to 10 of mserve.bus.v1.Facts, in order. */
const textFacts: readonly FactsOf<string>[] = [
  'servable',
  'version',
  'method',
  'model',
  'function',
  'input',
  'output',
  'expected',
  'given',
  'detail',
];
/** Those after them. */
const numberFacts: readonly FactsOf<number>[] = ['stage', 'limit', 'attempts'];
const firstNumberField = textFacts.length + 1;

function factsSize(facts: Facts): number {
  const slot = reserve();
  let size = 0;
  for (const name of textFacts) size += stringSize(facts[name] ?? '');
  for (const name of numberFacts) size += uintSize(facts[name] ?? 0);
  return delimitedSize(remember(slot, size));
}

function writeFacts(writer: DispatchWriter, facts: Facts): void {
  writer.open(4);
  textFacts.forEach((name, index) => writer.string(1 + index, facts[name] ?? ''));
  numberFacts.forEach((name, index) => writer.uint(firstNumberField + index, facts[name] ?? 0));
}

function readFacts(reader: DispatchReader): Facts {
  const outer = reader.open();
  const facts: { -readonly [Name in keyof Facts]: Facts[Name] } = {};
  while (reader.more) {
    const tag = reader.tag();
    const text = (tag & 7) === 2 ? textFacts[(tag >>> 3) - 1] : undefined;
    const number = (tag & 7) === 0 ? numberFacts[(tag >>> 3) - firstNumberField] : undefined;
    if (text !== undefined) facts[text] = reader.string();
    else if (number !== undefined) facts[number] = reader.uint();
    else reader.skip(tag);
  }
  reader.close(outer);
  return facts;
}

/** Size of a failure as a field with a one-byte tag. */
export function failureSize({ code, message, reason, facts }: Failure): number {
  const slot = reserve();
  const texts = stringSize(code) + stringSize(message) + stringSize(reason ?? '');
  return delimitedSize(remember(slot, texts + (facts === undefined ? 0 : factsSize(facts))));
}

export function writeFailure(writer: DispatchWriter, field: number, { code, message, reason, facts }: Failure): void {
  writer.open(field);
  writer.string(1, code);
  writer.string(2, message);
  writer.string(3, reason ?? '');
  if (facts !== undefined) writeFacts(writer, facts);
}

/** A code that only a newer version knows is INTERNAL; of a reason that it alone knows, or that is not one of this code's, the code is left. */
export function readFailure(reader: DispatchReader): Failure {
  const outer = reader.open();
  let name = '';
  let message = '';
  let reason = '';
  let facts: Facts | undefined;
  while (reader.more) {
    const tag = reader.tag();
    if (tag === 10) name = reader.string();
    else if (tag === 18) message = reader.string();
    else if (tag === 26) reason = reader.string();
    else if (tag === 34) facts = readFacts(reader);
    else reader.skip(tag);
  }
  reader.close(outer);
  const code = servingErrorCodes.find((known) => known === name) ?? 'INTERNAL';
  const known = knownReason(reason, code);
  return known === undefined ? { code, message } : { code, message, reason: known, facts: facts ?? {} };
}
