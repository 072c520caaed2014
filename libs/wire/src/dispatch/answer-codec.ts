import { fieldSize, uintFieldSize } from '../protobuf/index.js';
import type { Answer, InstanceResult } from '../ticket.js';
import type { Decoding } from './decoding.js';
import { failureCodec } from './failure-codec.js';
import { instanceCodec } from './instance-codec.js';
import { measureNested, readNested, writeNested, type MessageCodec } from './message-codec.js';

/** Writes and reads Answer of proto/mserve/bus/v1/dispatch.proto. */
export const answerCodec: MessageCodec<Answer> = {
  measure(answer, out) {
    let size = uintFieldSize(answer.id) + uintFieldSize(answer.attempt) + uintFieldSize(answer.firstInstance);
    for (const result of answer.results) {
      const place = out.reserve();
      const inner =
        'failure' in result ? measureNested(failureCodec, result.failure, out) : measureNested(instanceCodec, result.outputs, out);
      size += fieldSize(out.remember(place, inner));
    }
    return size;
  },
  write(answer, out) {
    const { writer } = out;
    writer.uint(1, answer.id);
    writer.uint(2, answer.attempt);
    writer.uint(3, answer.firstInstance);
    for (const result of answer.results) {
      out.open(4);
      if ('failure' in result) writeNested(failureCodec, 2, result.failure, out);
      else writeNested(instanceCodec, 1, result.outputs, out);
    }
  },
  read(from) {
    const { reader } = from;
    let id = 0;
    let attempt = 0;
    let firstInstance = 0;
    const results: InstanceResult[] = [];
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
        default:
          reader.skip(tag);
      }
    }
    return { id, attempt, firstInstance, results };
  },
};

function readResult(from: Decoding): InstanceResult {
  const { reader } = from;
  from.take();
  const outer = reader.open();
  let result: InstanceResult | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 10) result = { outputs: readNested(instanceCodec, from) };
    else if (tag === 18) result = { failure: readNested(failureCodec, from) };
    else reader.skip(tag);
  }
  reader.close(outer);
  if (result === undefined) throw reader.fault('a result without outputs or failure');
  return result;
}
