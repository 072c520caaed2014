import { readFileSync } from 'node:fs';
import { dtypeEntry, type Tensor } from '@mserve/wire';
import { CliError } from '../cli-error.js';
import { jsonObject } from '../json-object.js';
import { readNpyFile } from '../npy-file.js';
import { fileProblem } from '../file-problem.js';

/** Flags of `mserve infer`. */
export interface InferFlags {
  readonly servable: string;
  readonly method: string;
  readonly version?: number | undefined;
  readonly input: readonly string[];
  readonly rest: string;
  readonly timeoutMs: number;
}

/** The JSON of a tensor in the original's REST protocol: raw bytes in base64, with type and shape. */
function tensorValue(tensor: Tensor): unknown {
  if (dtypeEntry(tensor.dtype).elementBytes === 0)
    throw new CliError(`a .npy file of dtype ${tensor.dtype} cannot be sent; give the text as JSON, for example name='"text"'`, 2);
  const b64 = Buffer.from(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength).toString('base64');
  return { b64, type: tensor.dtype, shape: tensor.shape };
}

function readInputFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${fileProblem(error)}`, 2);
  }
}

/**
 * `name=@file` (.npy = tensor, anything else = its bytes) or `name=json`, as the name and the JSON text that is sent. JSON goes as it was written:
 * in the original's protocol 1.0 is a float and 1 an integer, which JavaScript's numbers would not keep apart.
 */
export function inputValue(text: string): [name: string, json: string] {
  const at = text.indexOf('=');
  if (at <= 0) throw new CliError(`--input '${text}' is neither name=@file nor name=json`, 2);
  const name = text.slice(0, at);
  const value = text.slice(at + 1);
  if (value.startsWith('@')) {
    const path = value.slice(1);
    return [name, JSON.stringify(path.endsWith('.npy') ? tensorValue(readNpyFile(path)) : { b64: readInputFile(path).toString('base64') })];
  }
  try {
    JSON.parse(value);
    return [name, value];
  } catch {
    throw new CliError(
      `--input ${name}: '${value.slice(0, 60)}' is not JSON (text needs quotes: ${name}='"text"'; a file needs @: ${name}=@file)`,
      2,
    );
  }
}

/** Sends one instance to a running server's REST port; resolves with the instance of the answer. */
export async function infer(flags: InferFlags): Promise<unknown> {
  const inputs = new Map<string, string>();
  for (const [name, json] of flags.input.map(inputValue)) {
    if (inputs.has(name)) throw new CliError(`--input ${name} is given twice`, 2);
    inputs.set(name, json);
  }
  const instance = [...inputs].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',');
  const version = flags.version === undefined ? '' : `/version/${flags.version}`;
  const url = `http://${flags.rest}/model/${encodeURIComponent(flags.servable)}${version}:${encodeURIComponent(flags.method)}`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"instances":[{${instance}}]}`,
      signal: AbortSignal.timeout(flags.timeoutMs),
    });
    text = await response.text();
  } catch (error) {
    if ((error as Error).name === 'TimeoutError')
      throw new CliError(`no answer from ${flags.rest} within ${flags.timeoutMs} ms (--timeout-ms)`);
    const { cause } = error as { cause?: { code?: string; message?: string } };
    const reason = cause?.code ?? cause?.message ?? (error as Error).message;
    throw new CliError(`no answer from ${flags.rest} (${reason}); is a server running there? Start one with: mserve serve DIR`);
  }
  const body = jsonObject(text);
  if (body === undefined)
    throw new CliError(`${flags.rest} answered ${response.status} with something that is no JSON object; is it an mserve REST port?`);
  const { instances, error_msg: error } = body;
  if (error !== undefined || !Array.isArray(instances))
    throw new CliError(`the server answered ${response.status}: ${typeof error === 'string' ? error : text.slice(0, 300)}`);
  return instances[0];
}
