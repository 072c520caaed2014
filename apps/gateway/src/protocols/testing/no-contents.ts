import type { oipProto } from '@mserve/wire/gen';

/** The typed contents of an input that has none. */
export const noContents: oipProto.InferTensorContents = {
  boolContents: [],
  intContents: [],
  int64Contents: [],
  uintContents: [],
  uint64Contents: [],
  fp32Contents: [],
  fp64Contents: [],
  bytesContents: [],
};
