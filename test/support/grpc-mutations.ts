import type { OutgoingHttpHeaders } from 'node:http2';
import { prefixed } from '../../apps/gateway/src/testing/raw-grpc.js';
import type { Random } from './random.js';

/** A request as a gRPC client sent it. */
export interface RecordedCall {
  readonly path: string;
  readonly message: Buffer;
}

/** A call that no gRPC client sends: the frame with its message, which may lie, and headers beside the usual ones. */
export interface MutatedCall {
  readonly path: string;
  readonly frame: Buffer;
  readonly headers: OutgoingHttpHeaders;
}

/** Numbers that lengths, tags and dims do not like. */
const oddBytes = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x12];
const oddVarints = ['ffffffff0f', 'ffffffffffffffff7f', '8080808080808080808001', '80', 'ffffffff07'].map((text) =>
  Buffer.from(text, 'hex'),
);
const oddHeaders: readonly OutgoingHttpHeaders[] = [
  { 'grpc-timeout': '1n' },
  { 'grpc-timeout': '99999999H' },
  { 'grpc-timeout': 'soon' },
  { 'grpc-encoding': 'gzip' },
  { 'grpc-encoding': 'deflate' },
  { 'grpc-encoding': 'snappy' },
  { 'grpc-accept-encoding': 'gzip,x' },
  { 'content-type': 'application/grpc+proto' },
  { 'content-type': 'application/json' },
  { 'x-request-id': 'y'.repeat(500) },
  { 'data-bin': '%%%' },
];

/** One to four changes of a recorded call: of the bytes of its message, mostly; sometimes of the frame around it, its headers, or its rpc. */
export function mutatedCall(calls: readonly RecordedCall[], random: Random): MutatedCall {
  const { path, message } = random.pick(calls);
  let bytes: Buffer = Buffer.from(message);
  for (let left = 1 + random.below(4); left > 0; left--) bytes = mutatedBytes(bytes, random.pick(calls).message, random);
  const headers = random.below(10) === 0 ? random.pick(oddHeaders) : {};
  const rpc = random.below(20) === 0 ? random.pick(calls).path : path;
  return { path: rpc, frame: frameOf(bytes, random), headers };
}

function frameOf(message: Buffer, random: Random): Buffer {
  switch (random.below(25)) {
    case 0:
      return prefixed(message, random.below(4));
    case 1:
      return prefixed(message, 0, random.below(2) === 0 ? random.below(2 ** 31) : Math.max(0, message.length - random.below(9)));
    case 2:
      return prefixed(message).subarray(0, random.below(message.length + 5));
    case 3:
      return Buffer.concat([prefixed(message), prefixed(message)]);
    default:
      return prefixed(message);
  }
}

function mutatedBytes(bytes: Buffer, other: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  const length = random.below(Math.min(64, bytes.length - at) + 1);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (random.below(8)) {
    case 0: {
      if (at === bytes.length) return bytes;
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ (1 << random.below(8));
      return flipped;
    }
    case 1:
      return Buffer.concat([before, Buffer.of(random.pick(oddBytes)), after.subarray(1)]);
    case 2:
      return Buffer.concat([before, random.pick(oddVarints), after.subarray(random.below(2))]);
    case 3:
      return Buffer.concat([before, after.subarray(length)]);
    case 4:
      return Buffer.concat([before, after.subarray(0, length), after]);
    case 5:
      return before;
    case 6:
      return Buffer.concat([before, other.subarray(random.below(other.length + 1))]);
    default:
      return Buffer.concat([before, Buffer.from(Array.from({ length: 1 + random.below(8) }, () => random.below(256))), after]);
  }
}
