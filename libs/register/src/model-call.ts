import type { Instance } from '@mserve/wire';
import { checkInteger, isPlainObject, refuseUnknown } from './argument.js';
import { currentRegistry } from './registry.js';
import { inputValue, outputTensor, type InputValue as AuthorInput, type OutputValue as AuthorOutput } from './value.js';

/** A value given to a model: what functions may return, except strings. */
export type InputValue = AuthorOutput;
/** A value that a model gives. */
export type OutputValue = Exclude<AuthorInput, readonly unknown[]>;

/** The last argument of Model.call. */
export interface CallOptions {
  /** Which graph of the model: the position of its file in declareModel, >= 0. Default 0. */
  readonly subgraph?: number;
}

/** The body of Model.call. */
export async function modelCall(modelKey: string, args: readonly unknown[]): Promise<unknown> {
  const last = args.at(-1);
  const options: Record<string, unknown> = isPlainObject(last) ? last : {};
  const values = isPlainObject(last) ? args.slice(0, -1) : args;
  refuseUnknown('Model.call has no option', options, ['subgraph']);
  const subgraph = checkInteger('subgraph', options['subgraph'] ?? 0, 0);
  const prefix = subgraph === 0 ? `Model(${modelKey}).call() failed: ` : `Model(${modelKey}, subgraph=${subgraph}).call() failed: `;
  const [first] = values;
  const isMany = values.length === 1 && Array.isArray(first);
  try {
    const instances = isMany ? (first as unknown[]).map(instanceOf) : [values.map(modelInput)];
    if (instances.length === 0 || (!isMany && values.length === 0)) throw new Error(noInputs);
    const outputs = (await runModel(modelKey, subgraph, instances)).map((instance) => instance.map(inputValue));
    if (isMany) return outputs;
    const [only = []] = outputs;
    return only.length === 1 ? only[0] : only;
  } catch (thrown) {
    throw new Error(prefix + (thrown instanceof Error ? thrown.message : String(thrown)), { cause: thrown });
  }
}

const forms = 'call(x1, x2) runs one instance, call([[x1, x2], [x1, x2]]) several';
const noInputs = `there are no inputs: ${forms}`;
const badFormat = `the inputs are nested in another way than these: ${forms}`;

function instanceOf(values: unknown): Instance {
  if (!Array.isArray(values)) throw new Error(badFormat);
  return values.map(modelInput);
}

function modelInput(value: unknown): Instance[number] {
  if (Array.isArray(value)) throw new Error(badFormat);
  const tensor = outputTensor(value);
  // Bytes go to a model as what they are for functions: uint8.
  if (tensor.dtype === 'bytes') return { dtype: 'uint8', shape: [tensor.bytes.byteLength - 4], bytes: tensor.bytes.subarray(4) };
  return tensor;
}

async function runModel(modelKey: string, subgraph: number, instances: readonly Instance[]): Promise<readonly Instance[]> {
  const { callModel } = currentRegistry();
  if (callModel === undefined)
    throw new Error(`models run only inside a server, and only in functions of a method's stages, not while servable_config is loaded`);
  return callModel(modelKey, subgraph, instances);
}
