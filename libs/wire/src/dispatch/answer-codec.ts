import { fieldSize, uintFieldSize } from '../protobuf/index.js';
import type { Answer, PlacedResult, StepTimes } from '../ticket.js';
import type { Decoding } from './decoding.js';
import type { Encoding } from './encoding.js';
import { failureCodec } from './failure-codec.js';
import { heldBytesCodec } from './held-bytes.js';
import { instanceCodec } from './instance-codec.js';
import { measureNested, readNested, writeNested, type MessageCodec } from './message-codec.js';
import { tableCodec, uint } from './table-codec.js';

const stepsCodec = tableCodec<StepTimes>('steps', { queuedUs: [1, uint], waitUs: [2, uint], runUs: [3, uint], functionUs: [4, uint] });

/** Writes and reads Answer of proto/mserve/bus/v1/dispatch.proto. */
export const answerCodec: MessageCodec<Answer> = {
  measure(answer, out) {
    let size = uintFieldSize(answer.id) + uintFieldSize(answer.attempt) + uintFieldSize(answer.firstInstance);
    size += uintFieldSize(answer.grant) + uintFieldSize(answer.grantedFirst) + uintFieldSize(answer.grantedInstances);
    for (const result of answer.results) {
      const place = out.reserve();
      size += fieldSize(out.remember(place, measureResult(result, out)));
    }
    if (answer.steps !== undefined) size += measureNested(stepsCodec, answer.steps, out);
    return size;
  },
  write(answer, out) {
    const { writer } = out;
    writer.uint(1, answer.id);
    writer.uint(2, answer.attempt);
    writer.uint(3, answer.firstInstance);
    for (const result of answer.results) {
      out.open(4);
      if ('outputs' in result) writeNested(instanceCodec, 1, result.outputs, out);
      else if ('failure' in result) writeNested(failureCodec, 2, result.failure, out);
      else writeNested(heldBytesCodec, 3, result.held, out);
    }
    writer.uint(5, answer.grant);
    writer.uint(6, answer.grantedFirst);
    writer.uint(7, answer.grantedInstances);
    if (answer.steps !== undefined) writeNested(stepsCodec, 8, answer.steps, out);
  },
  read(from) {
    const { reader } = from;
    let id = 0;
    let attempt = 0;
    let firstInstance = 0;
    let grant = 0;
    let grantedFirst = 0;
    let grantedInstances = 0;
    let steps: StepTimes | undefined;
    const results: PlacedResult[] = [];
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
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
          results.push(readResult(from));
          break;
        case 40:
          grant = reader.uint();
          break;
        case 48:
          grantedFirst = reader.uint32();
          break;
        case 56:
          grantedInstances = reader.uint32();
          break;
        case 66:
          steps = readNested(stepsCodec, from);
          break;
        default:
          reader.skip(tag);
      }
    }
    return { id, attempt, firstInstance, results, grant, grantedFirst, grantedInstances, steps };
  },
};

function measureResult(result: PlacedResult, out: Encoding): number {
  if ('outputs' in result) return measureNested(instanceCodec, result.outputs, out);
  if ('failure' in result) return measureNested(failureCodec, result.failure, out);
  return measureNested(heldBytesCodec, result.held, out);
}

function readResult(from: Decoding): PlacedResult {
  const { reader } = from;
  from.countEntry();
  const outer = reader.open();
  let result: PlacedResult | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 10) result = { outputs: readNested(instanceCodec, from) };
    else if (tag === 18) result = { failure: readNested(failureCodec, from) };
    else if (tag === 26) result = { held: readNested(heldBytesCodec, from) };
    else reader.skip(tag);
  }
  reader.close(outer);
  if (result === undefined) throw reader.fault('a result without outputs or failure');
  return result;
}
