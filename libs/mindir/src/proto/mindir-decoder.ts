import { MindirError } from '../mindir-error.js';
import type {
  MindirAttribute,
  MindirExternal,
  MindirGraph,
  MindirModel,
  MindirNode,
  MindirPrimitive,
  MindirTensor,
  MindirValueDescription,
} from './mindir-schema.js';
import { DecodeBudget, FieldReader, readingFile, wireBytes } from './field-reader.js';

/** Messages and list elements in one file. A graph of 100 000 nodes has about 2 million. */
const maxObjects = 8_000_000;
/** Attributes inside attributes (tuples of tuples). */
const maxNesting = 64;
const none: readonly never[] = [];

/** Decodes a plain (decrypted) MindIR file; tensors are views on `bytes`. Throws MindirError 'format', 'dialect' or 'limits'. */
export function decodeMindir(bytes: Uint8Array): MindirModel {
  return readingFile(() => modelOf(FieldReader.over(bytes, new DecodeBudget(maxObjects))));
}

function modelOf(reader: FieldReader): MindirModel {
  let irVersion: string | undefined;
  let producerName = '';
  let modelVersion = '';
  let mindIrVersion = 0;
  let littleEndian = true;
  let graph: MindirGraph | undefined;
  let hasPreprocessor = false;
  const functions: MindirGraph[] = [];
  const primitives = new Map<string, MindirPrimitive>();
  while (reader.next()) {
    if (reader.field === 1 && reader.wire !== wireBytes) {
      throw new MindirError(
        'dialect',
        'unsupported MindIR dialect: the file was written by MindSpore 1.0 (or is not a MindIR file); 2.0 and later are read, export it again',
      );
    }
    switch (reader.field) {
      case 1:
        irVersion = reader.text();
        break;
      case 2:
        producerName = reader.text();
        break;
      case 5:
        modelVersion = reader.text();
        break;
      case 7:
        graph = graphOf(reader.message());
        break;
      case 8:
        functions.push(graphOf(reader.message()));
        break;
      case 9:
        hasPreprocessor = preprocesses(reader.message()) || hasPreprocessor;
        break;
      case 10:
        littleEndian = reader.integer() !== 0;
        break;
      case 12: {
        const primitive = primitiveOf(reader.message());
        primitives.set(primitive.name, primitive);
        break;
      }
      case 13:
        mindIrVersion = reader.integer();
        break;
      default:
        reader.skip();
    }
  }
  if (irVersion === undefined && graph === undefined) throw new MindirError('format', 'not a MindIR file');
  if (graph === undefined) throw new MindirError('format', 'the file holds no graph');
  if (irVersion === undefined) throw new MindirError('dialect', 'unsupported MindIR dialect: the file names no ir_version');
  if (!littleEndian) throw new MindirError('unsupported', 'the file was written on a big-endian machine');
  return { irVersion, producerName, modelVersion, mindIrVersion, littleEndian, graph, functions, primitives, hasPreprocessor };
}

function preprocesses(reader: FieldReader): boolean {
  return reader.next();
}

function graphOf(reader: FieldReader): MindirGraph {
  const nodes: MindirNode[] = [];
  const parameters: MindirTensor[] = [];
  const inputs: MindirValueDescription[] = [];
  const outputs: MindirValueDescription[] = [];
  let name = '';
  let hasMapParameters = false;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        nodes.push(nodeOf(reader.message()));
        break;
      case 2:
        name = reader.text();
        break;
      case 3:
        parameters.push(tensorOf(reader.message()));
        break;
      case 5:
        inputs.push(valueOf(reader.message()));
        break;
      case 6:
        outputs.push(valueOf(reader.message()));
        break;
      case 10:
        hasMapParameters = true;
        reader.skip();
        break;
      default:
        reader.skip();
    }
  }
  return { name, nodes, parameters, inputs, outputs, hasMapParameters };
}

function nodeOf(reader: FieldReader): MindirNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: MindirAttribute[] = [];
  let name = '';
  // The full scope (Default/conv1-Conv2d/Conv2D-op3) lies in the field that ONNX calls domain.
  let scope = '';
  let opType = '';
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        reader.budget.spend(1);
        inputs.push(reader.text());
        break;
      case 2:
        reader.budget.spend(1);
        outputs.push(reader.text());
        break;
      case 3:
        name = reader.text();
        break;
      case 4:
        opType = reader.text();
        break;
      case 5:
        attributes.push(attributeOf(reader.message(), 0));
        break;
      case 7:
        scope = reader.text();
        break;
      default:
        reader.skip();
    }
  }
  return { name: scope === '' ? name : scope, opType, inputs, outputs, attributes };
}

function primitiveOf(reader: FieldReader): MindirPrimitive {
  const attributes: MindirAttribute[] = [];
  let name = '';
  let opType = '';
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        name = reader.text();
        break;
      case 2:
        opType = reader.text();
        break;
      case 3:
        attributes.push(attributeOf(reader.message(), 0));
        break;
      default:
        reader.skip();
    }
  }
  return { name, opType, attributes };
}

function valueOf(reader: FieldReader): MindirValueDescription {
  const tensors: MindirTensor[] = [];
  let name = '';
  let attribute: MindirAttribute | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        name = reader.text();
        break;
      case 2:
        tensors.push(tensorOf(reader.message()));
        break;
      case 5:
        attribute = attributeOf(reader.message(), 0);
        break;
      default:
        reader.skip();
    }
  }
  return { name, tensors, attribute };
}

function tensorOf(reader: FieldReader): MindirTensor {
  const dims: number[] = [];
  const numbers: number[] = [];
  let name = '';
  let refKey = '';
  let dataType = 0;
  let raw: Uint8Array | undefined;
  let external: MindirExternal | undefined;
  let compressed = false;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        reader.integersInto(dims);
        break;
      case 2:
        dataType = reader.integer();
        break;
      case 3:
        reader.floatsInto(numbers);
        break;
      case 4:
      case 6:
      case 11:
        reader.integersInto(numbers);
        break;
      case 7:
        name = reader.text();
        break;
      case 9:
        raw = reader.view();
        break;
      case 10:
        reader.doublesInto(numbers);
        break;
      case 12:
        external = externalOf(reader.message());
        break;
      case 13:
        refKey = reader.text();
        break;
      case 16:
        compressed = reader.integer() !== 0 || compressed;
        break;
      case 17:
        compressed = true;
        reader.skip();
        break;
      default:
        reader.skip();
    }
  }
  return { name, refKey, dataType, dims, raw, numbers, external, compressed };
}

function externalOf(reader: FieldReader): MindirExternal {
  let location = '';
  let offset = 0;
  let length = 0;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        location = reader.text();
        break;
      case 2:
        offset = reader.integer();
        break;
      case 3:
        length = reader.integer();
        break;
      default:
        reader.skip();
    }
  }
  return { location, offset, length };
}

function appended<Element>(list: readonly Element[], element: Element): Element[] {
  const grown = list.length === 0 ? [] : (list as Element[]);
  grown.push(element);
  return grown;
}

function attributeOf(reader: FieldReader, depth: number): MindirAttribute {
  if (depth > maxNesting) throw new MindirError('limits', `attributes are nested more than ${maxNesting} deep`);
  let name = '';
  let type = 0;
  let f: number | undefined;
  let i: number | undefined;
  let d: number | undefined;
  let s: string | undefined;
  let floats: number[] | readonly never[] = none;
  let doubles: number[] | readonly never[] = none;
  let ints: number[] | readonly never[] = none;
  let strings: readonly string[] = none;
  let tensors: readonly MindirTensor[] = none;
  let values: readonly MindirAttribute[] = none;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        name = reader.text();
        break;
      case 2:
        f = reader.float();
        break;
      case 3:
        i = reader.integer();
        break;
      case 4:
        d = reader.double();
        break;
      case 5:
        s = reader.text();
        break;
      case 6:
      case 12:
        tensors = appended(tensors, tensorOf(reader.message()));
        break;
      case 8:
        if (floats.length === 0) floats = [];
        reader.floatsInto(floats as number[]);
        break;
      case 9:
        if (doubles.length === 0) doubles = [];
        reader.doublesInto(doubles as number[]);
        break;
      case 10:
        if (ints.length === 0) ints = [];
        reader.integersInto(ints as number[]);
        break;
      case 11:
        reader.budget.spend(1);
        strings = appended(strings, reader.text());
        break;
      case 16:
        type = reader.integer();
        break;
      case 17:
        values = appended(values, attributeOf(reader.message(), depth + 1));
        break;
      default:
        reader.skip();
    }
  }
  return { name, type, f, i, d, s, floats, doubles, ints, strings, tensors, values };
}
