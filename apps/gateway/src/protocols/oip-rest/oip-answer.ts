import { isUtf8 } from 'node:buffer';
import { isVariableSize, refusal } from '@mserve/wire';
import { float32Text } from '../json/float32-text.js';
import { utf8Text } from '../json/json-reader.js';
import { isTooLong, numbersOf, slicedText, stringText } from '../json/value-text.js';
import { shapeText } from '../oip/oip-inputs.js';
import { unpackedParts, type OipEcho } from '../oip/oip-outputs.js';
import type { StackedOutput } from '../oip/stacked-output.js';
import type { ResolvedMethod } from '../protocol.js';

/** A body and, when bytes of tensors follow its JSON, how long the JSON is. */
export interface InferAnswer {
  readonly body: readonly (Uint8Array | string)[];
  readonly jsonBytes: number | undefined;
}

/** Writes the answer of an infer request; binary outputs are passed on as they are. Throws ServingError for what JSON cannot hold. */
export function inferAnswer(target: ResolvedMethod, echo: OipEcho, outputs: readonly StackedOutput[]): InferAnswer {
  try {
    return writtenAnswer(target, echo, outputs);
  } catch (thrown) {
    if (!isTooLong(thrown)) throw thrown;
    throw refusal('output-unwritable', { detail: 'the outputs are too long for JSON: ask for them with binary_data' }, thrown);
  }
}

function writtenAnswer(target: ResolvedMethod, echo: OipEcho, outputs: readonly StackedOutput[]): InferAnswer {
  const id = echo.id === '' ? '' : `"id":${stringText(echo.id)},`;
  let text = `{"model_name":${stringText(echo.model)},"model_version":"${target.version}",${id}"outputs":[`;
  const binary: Uint8Array[] = [];
  let hasBinary = false;
  for (let i = 0; i < outputs.length; i++) {
    const output = outputs[i] as StackedOutput;
    text += `${i === 0 ? '' : ','}{"name":${stringText(output.name)},"datatype":"${output.entry.oipName}","shape":[${dimsText(output.shape)}],`;
    if (echo.outputs[i]?.binary === true) {
      hasBinary = true;
      let size = 0;
      for (const part of output.parts) {
        size += part.byteLength;
        if (part.byteLength > 0) binary.push(part);
      }
      text += `"parameters":{"binary_data_size":${size}}}`;
    } else text += `"data":[${dataText(output)}]}`;
  }
  text += ']}';
  return hasBinary ? { body: [text, ...binary], jsonBytes: Buffer.byteLength(text) } : { body: [text], jsonBytes: undefined };
}

/** As join() does, which costs as much as writing a dozen numbers. */
function dimsText(shape: readonly number[]): string {
  let text = '';
  for (let i = 0; i < shape.length; i++) text += i === 0 ? `${shape[i]}` : `,${shape[i]}`;
  return text;
}

/** The elements, flat, with commas between them. */
function dataText(output: StackedOutput): string {
  const { dtype } = output.entry;
  if (isVariableSize(dtype)) return stringsText(output);
  let text = '';
  for (const part of output.parts) {
    if (part.byteLength === 0) continue;
    text += text === '' ? numbersText(dtype, part) : `,${numbersText(dtype, part)}`;
  }
  return text;
}

function numbersText(dtype: Exclude<StackedOutput['entry']['dtype'], 'string' | 'bytes'>, bytes: Uint8Array): string {
  const values = numbersOf(dtype, bytes);
  return slicedText(0, values.length, (from, to) => {
    let text = '';
    if (dtype.includes('float')) {
      for (let i = from; i < to; i++) {
        const value = values[i] as number;
        const shown =
          value - value !== 0
            ? notFiniteText(value)
            : dtype !== 'float64'
              ? float32Text(value)
              : Object.is(value, -0)
                ? '-0.0'
                : `${value}`;
        text += i === from ? shown : `,${shown}`;
      }
      return text;
    }
    if (dtype === 'bool') {
      for (let i = from; i < to; i++) text += `${i === from ? '' : ','}${values[i] === 0 ? 'false' : 'true'}`;
      return text;
    }
    for (let i = from; i < to; i++) text += i === from ? `${values[i]}` : `,${values[i]}`;
    return text;
  });
}

/** JSON has no word for these; the strings are what Python's float() and numpy, and JavaScript's Number(), read back. */
function notFiniteText(value: number): string {
  return Number.isNaN(value) ? '"NaN"' : value > 0 ? '"Infinity"' : '"-Infinity"';
}

function stringsText(output: StackedOutput): string {
  let text = '';
  for (const element of unpackedParts(output)) {
    if (!isUtf8(element)) {
      throw refusal('output-unwritable', {
        detail: `output '${output.name}' of shape ${shapeText(output.shape)} has an element that is not UTF-8: ask for it with binary_data`,
      });
    }
    text += `${text === '' ? '' : ','}${JSON.stringify(utf8Text(element))}`;
  }
  return text;
}
