import type { MethodSignature } from '@mserve/wire';
import { isBytes, jsonOf, type ReadInput } from './input.js';

/** A call as its reader may repeat it elsewhere. */
export interface Call {
  readonly servable: string;
  readonly version: number;
  readonly method: MethodSignature;
  readonly inputs: readonly ReadInput[];
  /** Base address of the REST port, `http://host:port`. */
  readonly rest: string;
  /** `host:port`; undefined where there is no gRPC port. */
  readonly grpc: string | undefined;
  readonly isTls: boolean;
}

/** One way to make the call. */
export interface Snippet {
  readonly name: string;
  readonly text: string;
}

/** What a file is called where its path is not known. */
function fileName({ file }: ReadInput): string {
  return (file?.name ?? 'FILE').replace(/[^\w.-]/g, '_');
}

/** The call with curl, Python, TypeScript and grpcurl. With a file it goes by MindSpore Serving's protocol, whose JSON says bytes in base64. */
export function snippets(call: Call): readonly Snippet[] {
  const file = call.inputs.find(({ file: given }) => given !== undefined);
  const made = file === undefined ? withValues(call) : withFile(call, file);
  return call.grpc === undefined ? made : [...made, { name: 'grpcurl', text: grpcurl(call, call.grpc) }];
}

function batchShape({ method }: Call, { shape, datatype }: ReadInput): readonly number[] {
  if (method.batched) return [1, ...shape];
  return shape.length === 0 && datatype === 'BYTES' ? [1] : shape;
}

function withValues(call: Call): Snippet[] {
  const { servable, version, method, rest } = call;
  const url = `${rest}/v2/models/${servable}.${method.name}/versions/${version}/infer`;
  const inputs = call.inputs.map((input) => ({
    name: input.name,
    datatype: input.datatype,
    shape: batchShape(call, input),
    data: input.elements,
  }));
  const body = jsonOf({ inputs });
  return [
    { name: 'curl', text: `curl -s ${shellQuoted(url)} \\\n  -H 'content-type: application/json' \\\n  -d ${shellQuoted(body)}` },
    {
      name: 'Python',
      text: `import json, urllib.request

body = ${pythonOf(body)}
request = urllib.request.Request(${JSON.stringify(url)}, json.dumps(body).encode(), {"content-type": "application/json"})
print(json.load(urllib.request.urlopen(request)))`,
    },
    {
      name: 'TypeScript',
      text: `const body = ${body};
const answer = await fetch(${JSON.stringify(url)}, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
console.log(JSON.stringify(await answer.json()));`,
    },
  ];
}

/** Lists in lists, by the shape. */
function nested(elements: readonly unknown[], shape: readonly number[]): unknown {
  if (shape.length === 0) return elements[0];
  const [rows = 0, ...rest] = shape;
  const size = rest.reduce((product, dim) => product * dim, 1);
  return Array.from({ length: rows }, (_, i) => nested(elements.slice(i * size, (i + 1) * size), rest));
}

function withFile({ servable, version, method, rest, inputs }: Call, file: ReadInput): Snippet[] {
  const url = `${rest}/model/${servable}/version/${version}:${method.name}`;
  const mark = '@FILE@';
  const instance = Object.fromEntries(
    inputs.map((input) => [
      input.name,
      input.file === undefined ? valueOf(method, input) : { b64: input === file ? mark : base64Of(input.file.bytes) },
    ]),
  );
  const body = JSON.stringify({ instances: [instance] });
  const name = fileName(file);
  const [before = '', after = ''] = body.split(mark);
  return [
    {
      name: 'curl',
      text: `{ printf %s ${shellQuoted(before)}; base64 < ${name} | tr -d '\\n'; printf %s ${shellQuoted(after)}; } |
  curl -s ${shellQuoted(url)} -H 'content-type: application/json' -d @-`,
    },
    {
      name: 'Python',
      text: `import base64, json, urllib.request

data = base64.b64encode(open(${JSON.stringify(name)}, "rb").read()).decode()
body = ${pythonOf(body).replace(JSON.stringify(mark), 'data')}
request = urllib.request.Request(${JSON.stringify(url)}, json.dumps(body).encode(), {"content-type": "application/json"})
print(json.load(urllib.request.urlopen(request)))`,
    },
    {
      name: 'TypeScript',
      text: `import { readFileSync } from 'node:fs';

const data = readFileSync(${JSON.stringify(name)}).toString('base64');
const body = ${body.replace(JSON.stringify(mark), 'data')};
const answer = await fetch(${JSON.stringify(url)}, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
console.log(JSON.stringify(await answer.json()));`,
    },
  ];
}

function valueOf(method: MethodSignature, { name, elements, shape }: ReadInput): unknown {
  const input = method.inputs.find((one) => one.name === name);
  const value = nested(elements, shape);
  return input?.dtype === 'bytes' && isBytes(input) ? { b64: base64Of(new TextEncoder().encode(String(value))) } : value;
}

const contents: Readonly<Record<string, string>> = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
};

function grpcurl(call: Call, address: string): string {
  const { servable, version, method, inputs, isTls } = call;
  const marks: string[] = [];
  const listed = inputs.map((input) => {
    const field = contents[input.datatype] ?? 'fp32_contents';
    if (input.file !== undefined) marks.push(fileName(input));
    const elements = input.file !== undefined ? [`@FILE${marks.length - 1}@`] : input.elements;
    const encoded =
      input.datatype === 'BYTES' && input.file === undefined
        ? elements.map((one) => base64Of(new TextEncoder().encode(String(one))))
        : elements;
    return { name: input.name, datatype: input.datatype, shape: batchShape(call, input), contents: { [field]: encoded } };
  });
  const message = JSON.stringify({ model_name: `${servable}.${method.name}`, model_version: String(version), inputs: listed });
  const flags = isTls ? '-cacert CA.pem ' : '-plaintext ';
  const target = `${flags}-d @ ${address} inference.GRPCInferenceService/ModelInfer`;
  if (marks.length === 0) return `printf %s ${shellQuoted(message)} |\n  grpcurl ${target}`;
  const pieces = message
    .split(/@FILE(\d+)@/)
    .map((piece, i) => (i % 2 === 0 ? `printf %s ${shellQuoted(piece)}` : `base64 < ${marks[Number(piece)]} | tr -d '\\n'`));
  return `{ ${pieces.join('; ')}; } |\n  grpcurl ${target}`;
}

/** As one word of a shell. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** JSON as Python has it: its names for true, false and null differ. Texts stay as they are. */
export function pythonOf(json: string): string {
  return json.replace(
    /"(?:[^"\\]|\\.)*"|\btrue\b|\bfalse\b|\bnull\b/g,
    (found) => ({ true: 'True', false: 'False', null: 'None' })[found] ?? found,
  );
}

/** Bytes in base64. */
export function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.byteLength; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
