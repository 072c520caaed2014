import { closeSync, openSync, readSync } from 'node:fs';

const headBytes = 1024;

/** A kind of file that people take for a model: how it begins, and what to do. */
interface ForeignKind {
  readonly matches: (head: Buffer) => boolean;
  readonly text: string;
}

const startsWith =
  (...beginnings: readonly (string | readonly number[])[]) =>
  (head: Buffer): boolean =>
    beginnings.some((begin) =>
      head.subarray(0, begin.length).equals(typeof begin === 'string' ? Buffer.from(begin, 'latin1') : Buffer.from(begin)),
    );

/** In the order in which they are looked for. */
const kinds: readonly ForeignKind[] = [
  {
    matches: startsWith('version https://git-lfs.github.com/spec/'),
    text: 'is a pointer of Git LFS, not the model itself: fetch the file with `git lfs pull`',
  },
  {
    matches: (head) => /^\s*(<!doctype html|<html|<\?xml)/i.test(head.toString('latin1')),
    text: 'is an HTML or XML page, as a failed download leaves it: download the model again',
  },
  {
    matches: (head) =>
      startsWith('PK\x03\x04')(head) && /(^|\/)(data\.pkl|version|byteorder|constants\.pkl)/.test(head.toString('latin1', 30)),
    text: 'is a PyTorch checkpoint: export it with torch.onnx.export and serve the ONNX file',
  },
  { matches: startsWith('PK\x03\x04', 'PK\x05\x06'), text: 'is a zip archive: unpack it and serve the model that is in it' },
  { matches: startsWith([0x1f, 0x8b]), text: 'is compressed with gzip: unpack it and serve the model that is in it' },
  {
    matches: (head) => head.subarray(257, 262).toString('latin1') === 'ustar',
    text: 'is a tar archive: unpack it and serve the model that is in it',
  },
  {
    matches: (head) => head.length > 9 && head[8] === 0x7b && head.readBigUInt64LE(0) < 100_000_000n,
    text: 'is a file of safetensors, which holds weights and no graph: export the model as ONNX (optimum-cli export onnx)',
  },
  { matches: startsWith([0x80, 0x02], [0x80, 0x03], [0x80, 0x04], [0x80, 0x05]), text: 'is a Python pickle: export the model as ONNX' },
  { matches: startsWith('\x89HDF\r\n\x1a\n'), text: 'is an HDF5 file (Keras): export the model with tf2onnx and serve the ONNX file' },
  {
    matches: (head) => head.subarray(4, 8).toString('latin1') === 'TFL3',
    text: 'is a TensorFlow Lite model: convert it with tf2onnx and serve the ONNX file',
  },
  { matches: startsWith('GGUF'), text: 'is a GGUF file, which holds weights of a language model for llama.cpp: export the model as ONNX' },
  {
    matches: (head) => /^MSL\d/.test(head.subarray(4, 8).toString('latin1')),
    text: "is a model of MindSpore Lite's converter (.ms): serve the MindIR that it was made from, or the ONNX",
  },
  {
    // A SavedModel begins with its schema version (a varint, 1) and a graph; ONNX's first field is a version, too, but larger
    matches: (head) => startsWith([0x08, 0x01, 0x12])(head) && head.includes('serve'),
    text: 'is a SavedModel of TensorFlow: convert it with `python -m tf2onnx.convert --saved-model` and serve the ONNX file',
  },
];

/** What a file is, when it is one of those that people take for an ONNX or MindIR model, with the cure; undefined for all others. `path`: links followed. */
export function foreignFile(path: string, format: string): string | undefined {
  const head = Buffer.alloc(headBytes);
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const length = readSync(file, head, 0, headBytes, 0);
    if (format !== 'OM' && startsWith('IMOD')(head))
      return 'is an OM model, for Ascend devices: declare it with modelFormat OM, or serve the MindIR or ONNX it was made from';
    return kinds.find(({ matches }) => matches(head.subarray(0, length)))?.text;
  } catch {
    return undefined; // whoever opens it says why it cannot be read
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
