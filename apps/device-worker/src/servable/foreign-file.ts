import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const headBytes = 2048;

/** A kind of file that people take for a model: how it begins, and what to do. */
interface ForeignKind {
  readonly matches: (head: Buffer, latin1: string) => boolean;
  /** Follows the name of the file. */
  readonly text: string;
  /** Of which format a file like this is right after all. */
  readonly rightFor?: string;
}

const startsWith = (...beginnings: readonly (string | readonly number[])[]): ForeignKind['matches'] => {
  const bytes = beginnings.map((begin) => (typeof begin === 'string' ? Buffer.from(begin, 'latin1') : Buffer.from(begin)));
  return (head) => bytes.some((begin) => head.subarray(0, begin.length).equals(begin));
};
/** FlatBuffers have their kind behind the place of their root. */
const flatBuffer =
  (...identifiers: readonly string[]): ForeignKind['matches'] =>
  (_, latin1) =>
    identifiers.includes(latin1.slice(4, 8));
/** Text that begins so, behind a byte order mark and blanks. */
const text =
  (pattern: RegExp): ForeignKind['matches'] =>
  (_, latin1) =>
    pattern.test(latin1.replace(/^\xef\xbb\xbf/, '').trimStart());
const zip =
  (names?: RegExp): ForeignKind['matches'] =>
  (head, latin1) =>
    startsWith('PK\x03\x04', 'PK\x05\x06')(head, latin1) && (names === undefined || names.test(latin1.slice(30)));
const matching =
  (pattern: RegExp): ForeignKind['matches'] =>
  (_, latin1) =>
    pattern.test(latin1);

const again = 'fetch the model again';
const serveOnnx = 'and serve the ONNX file';

/** In the order in which they are looked for: what tells more comes first. */
const kinds: readonly ForeignKind[] = [
  { matches: (head) => head.every((byte) => byte === 0), text: `holds zeros, as a download that was interrupted leaves it: ${again}` },
  {
    matches: startsWith('version https://git-lfs.github.com/spec/'),
    text: 'is a pointer of Git LFS, not the model itself: fetch the file with `git lfs pull`',
  },
  { matches: text(/^(\.\.\/)*\.?\/?(\.git\/)?annex\/objects\//), text: 'is a pointer of git-annex: fetch the file with `git annex get`' },
  { matches: text(/^(outs|md5):/), text: 'is a file of DVC: fetch the model with `dvc pull`' },
  {
    matches: text(/^(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?<net\s[^>]*name=/),
    text: `is a model of OpenVINO: export the model it was made from as ONNX`,
  },
  { matches: text(/^(<\?xml[^>]*>\s*)?<PMML/), text: `is a PMML model: export the model it was made from as ONNX` },
  { matches: text(/^(<!doctype html|<html|<\?xml)/i), text: `is an HTML or XML page, as a failed download leaves it: ${again}` },
  {
    matches: zip(/(^|\/)(data\.pkl|version|byteorder|constants\.pkl|bytecode\.pkl|code\/__torch__)/),
    text: `is a PyTorch checkpoint or TorchScript: export the model with torch.onnx.export ${serveOnnx}`,
  },
  {
    matches: zip(/^(config\.json|metadata\.json|model\.weights\.h5)/),
    text: `is a Keras model: export it with model.export(path, format="onnx") or tf2onnx ${serveOnnx}`,
  },
  { matches: zip(/^[^/]*\.npy/), text: 'is an archive of numpy arrays, which holds weights and no graph: export the model as ONNX' },
  { matches: zip(), text: 'is a zip archive: unpack it and serve the model that is in it' },
  { matches: startsWith([0x1f, 0x8b]), text: 'is compressed with gzip: unpack it and serve the model that is in it' },
  { matches: matching(/^BZh[1-9]1AY&SY/), text: 'is compressed with bzip2: unpack it and serve the model that is in it' },
  { matches: startsWith([0xfd, 0x37, 0x7a, 0x58, 0x5a]), text: 'is compressed with xz: unpack it and serve the model that is in it' },
  { matches: startsWith([0x28, 0xb5, 0x2f, 0xfd]), text: 'is compressed with zstd: unpack it and serve the model that is in it' },
  { matches: startsWith('7z\xbc\xaf\x27\x1c', 'Rar!\x1a\x07'), text: 'is an archive: unpack it and serve the model that is in it' },
  {
    matches: (_, latin1) => latin1.slice(257, 262) === 'ustar',
    text: 'is a tar archive: unpack it and serve the model that is in it',
  },
  {
    matches: (head) => head.length > 9 && head[8] === 0x7b && head.readBigUInt64LE(0) < 100_000_000n,
    text: 'is a file of safetensors, which holds weights and no graph: export the model as ONNX (optimum-cli export onnx)',
  },
  {
    // Before the pickles of PyTorch until 1.5 stands its magic number
    matches: matching(/^\x80[\x02-\x05](\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19|[^]{0,300}torch)/),
    text: `is a PyTorch checkpoint: export the model with torch.onnx.export ${serveOnnx}`,
  },
  {
    matches: startsWith([0x80, 0x02], [0x80, 0x03], [0x80, 0x04], [0x80, 0x05]),
    text: 'is a Python pickle: export the model as ONNX (skl2onnx for scikit-learn, torch.onnx.export for PyTorch)',
  },
  { matches: startsWith('\x89HDF\r\n\x1a\n'), text: `is an HDF5 file (Keras): export the model with tf2onnx ${serveOnnx}` },
  { matches: startsWith('\x93NUMPY'), text: 'is a numpy array, no model' },
  { matches: startsWith('\x7fELF', 'MZ\x90\x00'), text: 'is a program or a shared library, no model' },
  { matches: flatBuffer('TFL3'), text: `is a TensorFlow Lite model: convert it with tf2onnx ${serveOnnx}` },
  { matches: flatBuffer('ORTM'), text: "is in ONNX Runtime's own format (.ort): serve the ONNX file that it was made from" },
  { matches: flatBuffer('ET12'), text: 'is an ExecuTorch program: export the model with torch.onnx.export' },
  { matches: startsWith('GGUF'), text: 'is a GGUF file, which holds weights of a language model for llama.cpp: export the model as ONNX' },
  {
    matches: startsWith('tjgg', 'fmgg', 'lmgg', 'ggml', 'ggjt'),
    text: 'is a GGML file, which holds weights of a language model for llama.cpp: export the model as ONNX',
  },
  { matches: startsWith('ftrt', 'ptrt'), text: 'is a TensorRT engine, made for one device: serve the ONNX file that it was made from' },
  { matches: startsWith('RKNN'), text: 'is an RKNN model, for Rockchip devices: serve the ONNX file that it was made from' },
  { matches: startsWith('CBM1'), text: `is a CatBoost model: save it with format="onnx" ${serveOnnx}` },
  { matches: text(/^tree\nversion=/), text: `is a LightGBM model: convert it with onnxmltools.convert_lightgbm ${serveOnnx}` },
  {
    matches: matching(/^(\s*\{"learner":|\{L.{8}L?.?.?learner|binf)/s),
    text: `is an XGBoost model: convert it with onnxmltools.convert_xgboost ${serveOnnx}`,
  },
  {
    matches: flatBuffer('MSL0', 'MSL1', 'MSL2', 'MSL3'),
    text: "is a model of MindSpore Lite's converter (.ms): serve the MindIR that it was made from, or the ONNX",
  },
  {
    // A SavedModel begins with its schema version (a varint, 1) and a graph; ONNX's first field is a version, too, but larger
    matches: (head, latin1) => startsWith([0x08, 0x01, 0x12])(head, latin1) && head.includes('serve'),
    text: `is a SavedModel of TensorFlow: convert it with \`python -m tf2onnx.convert --saved-model\` ${serveOnnx}`,
  },
  {
    // Nodes: a name, then an operator
    matches: matching(/^\x0a[^]{1,4}\x0a[^][\w./-]{1,200}\x12[^](Placeholder\w*|Const|NoOp|VarHandleOp)/),
    text: `is a frozen graph of TensorFlow: convert it with \`python -m tf2onnx.convert --graphdef\` ${serveOnnx}`,
  },
  {
    matches: matching(/^\x0a[^]{1,6}\x0a[^][\w./-]{1,200}[^]{0,40}\x12[^](Float|Int|UInt|BFloat)\d+/),
    text: 'is a checkpoint of MindSpore, which holds weights and no graph: export the network with mindspore.export(..., file_format="MINDIR")',
  },
  {
    matches: matching(/^\x0a[^]{2,60}\x1a[^]{2,60}\b(feed|fetch)/),
    text: `is a PaddlePaddle model: convert it with paddle2onnx ${serveOnnx}`,
  },
  {
    matches: matching(/^\x0a[\x03-\x0b]\d+\.\d+/),
    text: "is a MindIR model: declare it with modelFormat 'MindIR'",
    rightFor: 'MindIR',
  },
  {
    matches: startsWith(...[0xd8, 0xd9, 0xda].map((first) => [first, 0x5e, 0x3a, 0x7f])),
    text: "is an encrypted MindIR model: declare it with modelFormat 'MindIR'",
    rightFor: 'MindIR',
  },
  {
    // MindSpore 1.0 wrote MindIR, too, that begins so
    matches: matching(/^\x08[\x03-\x1f][\x12\x3a\x42](?![^]{0,40}MindSpore)/),
    text: "is an ONNX model: declare it with modelFormat 'ONNX'",
    rightFor: 'ONNX',
  },
  {
    matches: startsWith('IMOD'),
    text: 'is an OM model, for Ascend devices: declare it with modelFormat OM, or serve the MindIR or ONNX it was made from',
    rightFor: 'OM',
  },
  {
    matches: text(/^ir_version:/),
    text: 'is an ONNX model as text: write it in binary form (google.protobuf.text_format, onnx.save) and serve that',
  },
  {
    matches: text(/^\{[^]*"(modelTopology|graph-model|layers-model)"/),
    text: `is a model of TensorFlow.js: convert the model it was made from with tf2onnx ${serveOnnx}`,
  },
  { matches: text(/^[[{]\s*["{[\d\]}]/), text: `is JSON, as a failed download or a description of a model is: ${again}` },
  { matches: isText, text: `is text and no model: ${again}` },
];

/** Shorter files may be anything. */
const leastText = 24;

/** Letters and signs only, UTF-8. Models begin with bytes that are none. */
function isText(head: Buffer): boolean {
  return head.length >= leastText && !/[\0-\x08\x0e-\x1f\x7f\ufffd]/.test(head.toString('utf8').slice(0, -1));
}

/**
 * What a file is, when it is one of those that people take for a model of the format (ONNX, MindIR, OM; default: any of them), with the cure; undefined for all
 * others. Follows the file's name. `path`: links followed.
 */
export function foreignFile(path: string, format?: string): string | undefined {
  const head = Buffer.alloc(headBytes);
  let file: number | undefined;
  try {
    if (statSync(path).isDirectory()) return foreignFolder(path);
    file = openSync(path, 'r');
    const begin = head.subarray(0, readSync(file, head, 0, headBytes, 0));
    if (begin.length === 0) return undefined;
    const latin1 = begin.toString('latin1');
    const kind = kinds.find(({ matches }) => matches(begin, latin1));
    const isRight = kind?.rightFor !== undefined && (format === undefined || kind.rightFor === format);
    return isRight ? undefined : kind?.text;
  } catch {
    return undefined; // whoever opens it says why it cannot be read
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function foreignFolder(path: string): string {
  const names = readdirSync(path);
  if (names.includes('saved_model.pb'))
    return `is the folder of a SavedModel of TensorFlow: convert it with \`python -m tf2onnx.convert --saved-model\` ${serveOnnx}`;
  if (names.includes('Manifest.json') && names.includes('Data'))
    return 'is a package of Core ML: export the model it was made from as ONNX';
  const model = names.find((name) => /\.(onnx|mindir|om)$/i.test(name));
  if (model !== undefined) return `is a folder: name the file in it, modelFile: '${join(path.split('/').at(-1) ?? '', model)}'`;
  if (names.includes('config.json'))
    return `is a folder of Hugging Face's transformers: export the model as ONNX (optimum-cli export onnx) ${serveOnnx}`;
  return 'is a folder, and the file of a model is expected';
}
