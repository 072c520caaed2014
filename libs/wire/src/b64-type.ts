import type { DType } from './dtype.js';

/** What `type` can be in `{"b64": ..., "type": ..., "shape": ...}`, in which the original's REST protocol has bytes of a tensor (docs/protocols.md, "ms-rest"). */
const dtypes: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['int8', 'int8'],
  ['int16', 'int16'],
  ['int32', 'int32'],
  ['int64', 'int64'],
  ['uint8', 'uint8'],
  ['uint16', 'uint16'],
  ['uint32', 'uint32'],
  ['uint64', 'uint64'],
  ['fp16', 'float16'],
  ['fp32', 'float32'],
  ['fp64', 'float64'],
  ['float16', 'float16'],
  ['float32', 'float32'],
  ['float64', 'float64'],
  ['bool', 'bool'],
  ['str', 'string'],
  ['bytes', 'bytes'],
]);

/** All names. */
export const b64Types: readonly string[] = [...dtypes.keys()];

/** The dtype of a `type` in a b64 object, or undefined. */
export function dtypeOfB64Type(name: string): DType | undefined {
  return dtypes.get(name);
}
