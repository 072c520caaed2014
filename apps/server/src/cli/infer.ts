import { readFileSync } from 'node:fs';
import { dtypeEntry, type Tensor } from '@mserve/wire';
import { readNpy } from '../npy.js';
import { CliError } from './cli-error.js';

export interface InferFlags {
  readonly servable: string;
  readonly method: string;
  readonly version?: number | undefined;
  readonly input: readonly string[];
  readonly rest: string;
  readonly timeoutMs: number;
}

/** The JSON of a tensor in the original's REST protocol (SPEC 3.3): raw bytes in base64, with type and shape. */
function tensorValue(tensor: Tensor): unknown {
  if (dtypeEntry(tensor.dtype).elementBytes === 0) throw new CliError(`a .npy file of dtype ${tensor.dtype} cannot be sent; give the text as JSON, for example name='"text"'`, 2);
  const b64 = Buffer.from(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength).toString('base64');
  return { b64, type: tensor.dtype, shape: tensor.shape };
}

function readInputFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`, 2);
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
    const bytes = readInputFile(value.slice(1));
    return [name, JSON.stringify(value.endsWith('.npy') ? tensorValue(readNpy(bytes)) : { b64: bytes.toString('base64') })];
  }
  try {
    JSON.parse(value);
    return [name, value];
  } catch {
    throw new CliError(`--input ${name}: '${value.slice(0, 60)}' is not JSON (text needs quotes: ${name}='"text"'; a file needs @: ${name}=@file)`, 2);
  }
}

/** Sends one instance to a running server's REST port; resolves with the instance of the answer. */
export async function infer(flags: InferFlags): Promise<unknown> {
  const inputs = new Map(flags.input.map(inputValue));
  const instance = [...inputs].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',');
  const version = flags.version === undefined ? '' : `/version/${flags.version}`;
  const url = `http://${flags.rest}/model/${encodeURIComponent(flags.servable)}${version}:${encodeURIComponent(flags.method)}`;
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"instances":[{${instance}}]}`,
      signal: AbortSignal.timeout(flags.timeoutMs),
    });
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).name;
    throw new CliError(`no answer from ${flags.rest} (${cause}); is a server running there? Start one with: mserve serve DIR`);
  }
  const text = await response.text();
  let body: { instances?: unknown[]; error_msg?: string };
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    throw new CliError(`${flags.rest} answered ${response.status} with something that is not JSON; is it an mserve REST port?`);
  }
  if (body.error_msg !== undefined || body.instances === undefined) throw new CliError(`the server answered ${response.status}: ${body.error_msg ?? text.slice(0, 300)}`);
  return body.instances[0];
}
