import { readFileSync } from 'node:fs';
import { elementCount, ServingError, type Tensor } from '@mserve/wire';
import { CliError } from '../cli-error.js';
import { fileProblem } from '../file-problem.js';
import { jsonObject } from '../json-object.js';
import { readNpyFile } from '../npy-file.js';
import type { BenchSubject } from './bench-report.js';
import {
  bytesTensor,
  describedMethod,
  randomTensor,
  seededRandom,
  tensorOfJson,
  type DescribedInput,
  type DescribedMethod,
} from './method-inputs.js';
import { requestBody, type BenchProtocol, type NamedTensors, type RequestBody, type Target } from './request-bodies.js';

/** What `mserve bench` calls, and with what. */
export interface BenchCall {
  readonly servable: string;
  readonly method: string;
  /** undefined = the latest. */
  readonly version: number | undefined;
  readonly protocol: BenchProtocol;
  /** Where the method is described. */
  readonly rest: string;
  readonly grpc: string;
  /** `name=@file` or `name=json`; the others are made up. */
  readonly input: readonly string[];
  /** `name=2,3`: dims of inputs that are made up. */
  readonly shape: readonly string[];
  readonly instances: number;
  readonly seed: number;
  readonly timeoutMs: number;
}

/** A load that can be sent. */
export interface PreparedBench {
  readonly subject: BenchSubject;
  readonly bodies: readonly RequestBody[];
}

/** So many different requests are made up, as long as they stay below so many bytes together. */
const variants = 16;
const mostBytes = 64 * 2 ** 20;

/** Asks the REST port what the method takes. Throws CliError when nobody answers there or the method is not there. */
async function describe({ servable, method, version, rest, timeoutMs }: BenchCall): Promise<DescribedMethod> {
  const model = encodeURIComponent(`${servable}.${method}`);
  const path = `/v2/models/${model}${version === undefined ? '' : `/versions/${version}`}/config`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(`http://${rest}${path}`, { signal: AbortSignal.timeout(timeoutMs) });
    text = await response.text();
  } catch (error) {
    const { name, cause } = error as { name?: string; cause?: { code?: string } };
    const reason = name === 'TimeoutError' ? `nothing within ${timeoutMs} ms` : (cause?.code ?? (error as Error).message);
    throw new CliError(`no answer from ${rest} (${reason}); is a server running there? Start one with: mserve serve DIR`);
  }
  const body = jsonObject(text);
  if (!response.ok && typeof body?.['error'] === 'string') throw new CliError(`the server answered ${response.status}: ${body['error']}`);
  const described = response.ok ? describedMethod(body) : undefined;
  if (described === undefined)
    throw new CliError(`${rest} answered ${response.status} with something that describes no method; is it an mserve REST port?`);
  return described;
}

function givenTensor(name: string, value: string, input: DescribedInput | undefined): Tensor {
  if (value.startsWith('@')) {
    const path = value.slice(1);
    if (path.endsWith('.npy')) return readNpyFile(path);
    try {
      return bytesTensor(readFileSync(path));
    } catch (error) {
      throw new CliError(`cannot read ${path}: ${fileProblem(error)}`, 2);
    }
  }
  try {
    return tensorOfJson(name, value, input);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CliError(
      `--input ${name}: '${value.slice(0, 60)}' is not JSON (text needs quotes: ${name}='"text"'; a file needs @: ${name}=@file)`,
      2,
    );
  }
}

/** `name=value` of a flag, checked against the inputs that there are. */
function named(flag: string, texts: readonly string[], described: DescribedMethod): Map<string, string> {
  const values = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(at, 0));
    if (at <= 0) throw new CliError(`${flag} '${text}' is not name=value`, 2);
    if (values.has(name)) throw new CliError(`${flag} ${name} is given twice`, 2);
    const names = described.inputs.map((input) => input.name);
    if (!names.includes(name)) throw new CliError(`the method has no input '${name}'; it takes ${names.join(', ')}`, 2);
    values.set(name, text.slice(at + 1));
  }
  return values;
}

function dimsOf(name: string, text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined;
  const dims = text === '' ? [] : text.split(',').map((dim) => (/^\d{1,9}$/.test(dim) ? Number(dim) : NaN));
  if (dims.some(Number.isNaN))
    throw new CliError(`--shape ${name}: dims are whole numbers with commas between them, for example ${name}=3,224,224`, 2);
  try {
    if (elementCount(dims) * 8 <= mostBytes) return dims;
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
  }
  throw new CliError(`--shape ${name}: a tensor of at most ${mostBytes / 2 ** 20} MiB is expected`, 2);
}

/** Looks the method up, and makes the requests that are sent. Throws CliError. */
export async function prepareBench(call: BenchCall): Promise<PreparedBench> {
  const described = await describe(call);
  if (!described.isBatched && call.instances > 1 && call.protocol.startsWith('oip'))
    throw new CliError(
      `${call.servable} ${call.method} is not batched: over the Open Inference Protocol a request is one instance (--instances 1)`,
      2,
    );
  const given = named('--input', call.input, described);
  const shapes = named('--shape', call.shape, described);
  const random = seededRandom(call.seed);
  const fixed = new Map<string, Tensor>();
  for (const [name, value] of given)
    fixed.set(
      name,
      givenTensor(
        name,
        value,
        described.inputs.find((input) => input.name === name),
      ),
    );
  const inputs = described.inputs.filter(({ name, isOptional }) => !isOptional || fixed.has(name) || shapes.has(name));
  const instance = (): NamedTensors =>
    new Map(
      inputs.map((input) => [input.name, fixed.get(input.name) ?? randomTensor(input, dimsOf(input.name, shapes.get(input.name)), random)]),
    );
  const target: Target = { ...call, isBatched: described.isBatched };
  const bodies: RequestBody[] = [];
  let bytes = 0;
  const isVaried = inputs.some(({ name }) => !fixed.has(name));
  do {
    const body = requestBody(call.protocol, target, Array.from({ length: call.instances }, instance));
    bodies.push(body);
    bytes += body.body.length;
  } while (isVaried && bodies.length < variants && bytes < mostBytes);
  const first = instance();
  const { servable, method, version, protocol, instances } = call;
  return {
    subject: {
      ...{ servable, method, version, protocol, instances },
      address: protocol.endsWith('rest') ? call.rest : call.grpc,
      inputs: [...first].map(
        ([name, { dtype, shape }]) => `${name} ${dtype} [${shape.join(', ')}]${fixed.has(name) ? ', as given' : ', random'}`,
      ),
    },
    bodies,
  };
}
