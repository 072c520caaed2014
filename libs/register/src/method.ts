import { comparableName, isDType, type DType, type TensorSignature } from '@mserve/wire';
import type { StageDeclaration, ValueSource } from './declaration.js';
import { checkInteger, checkString, checkStringOrList, hintOf, isPlainObject, refuseUnknown } from './argument.js';
import { exampleTensor, type ExampleValue } from './example.js';
import { parametersOf } from './parameter.js';
import { isPlaceholder, Placeholder, sourceOf } from './placeholder.js';
import { RegisterError, typeName } from './register-error.js';
import { collected, openRegistry, type OpenMethod, type Registry } from './registry.js';
import { closeDeprecated } from './deprecated.js';
import { counted } from './stage.js';

/** A method's body: gets one placeholder per input and gives those that the method answers with, as many as it has outputs. */
export type MethodBody = (...inputs: Placeholder[]) => Placeholder | readonly Placeholder[];

/**
 * What an author may tell of an input or output: for the API documentation, and for the Open Inference Protocol, whose requests are checked against it
 * (those of the original's protocols only for text, bytes or numbers, where functions take the input).
 * What is not told is taken from a model that the value goes to or comes from.
 */
export interface ValueDescription {
  /** bool, int8, ..., uint64, float16, bfloat16, float32, float64, string or bytes. Whole numbers in JSON take a declared integer type. */
  readonly dtype?: DType;
  /** Per instance, without a batch dim; -1 = any size, [] = a single value. */
  readonly shape?: readonly number[];
  /** A sentence for the API documentation. Not empty. */
  readonly doc?: string;
}

/** An input can have an example, too. */
export interface InputDescription extends ValueDescription {
  /** What clients call it: any text that is not empty, for example `input.1`, `input_ids:0` or `class`. Default: the name of the parameter. */
  readonly name?: string;
  /**
   * What the API documentation shows to be tried: what a function may return for such a value, and, with a numeric `dtype`, numbers in nested arrays. At
   * most 4096 bytes. Without one it shows a guess, which need not be what the functions of the method take.
   */
  readonly example?: ExampleValue;
}

/** registerMethod with named parameters. */
export interface MethodParameters {
  /** Default: the name of the function. 1 to 128 characters that need no escape in a URL. */
  readonly name?: string;
  /** By parameter name; those left out are of any type. */
  readonly inputs?: Readonly<Record<string, InputDescription>>;
  /** Names in the order in which the body returns them; as an object also with types and docs. */
  readonly outputs: string | readonly string[] | Readonly<Record<string, ValueDescription>>;
  /** A sentence for the API documentation. Not empty. */
  readonly doc?: string;
}

/**
 * Registers a method of the servable: its name is the function's name, its inputs the function's parameters, its outputs have the names given. The body
 * runs once, here, with placeholders, and is given back.
 *
 * Throws RegisterError when the body is no plain function with plain parameters, returns anything but placeholders or not as many as there are names, when
 * a name is not allowed or taken, and for everything that its stages do wrong. In a server the error is kept, and the load fails in the end.
 */
export function registerMethod<Body extends MethodBody>(outputNames: string | readonly string[] | MethodParameters, body: Body): Body {
  const registry = openRegistry('registerMethod');
  if (registry.openMethod !== undefined)
    throw new RegisterError(`registerMethod cannot be called in the body of method '${registry.openMethod.name}'`);
  collected(
    registry,
    () => addMethod(registry, outputNames, body),
    () => undefined,
  );
  return body;
}

function addMethod(registry: Registry, outputNames: string | readonly string[] | MethodParameters, body: MethodBody): void {
  if (typeof body !== 'function') throw new RegisterError(`the last argument of registerMethod must be a function, not ${typeName(body)}`);
  const given = methodParameters(outputNames, body);
  if (registry.methods.some(({ name }) => name === given.name)) throw new RegisterError(`method '${given.name}' is registered twice`);
  const method: OpenMethod = { name: given.name, stages: [], deprecated: [], usesAddStage: false };
  const returns = runBody(registry, method, body, given);
  registry.methods.push({
    name: given.name,
    inputs: given.inputs,
    outputs: given.outputs,
    stages: method.stages.map((stage, index): StageDeclaration => ({ number: index + 1, ...stage })),
    returns,
    doc: given.doc,
  });
}

interface CheckedMethod {
  readonly name: string;
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  readonly doc: string | undefined;
}

function methodParameters(given: string | readonly string[] | MethodParameters, body: MethodBody): CheckedMethod {
  const named: Record<string, unknown> = isPlainObject(given) ? given : { outputs: given };
  refuseUnknown('registerMethod has no parameter', named, ['name', 'inputs', 'outputs', 'doc']);
  const { name = body.name, outputs, inputs, doc } = named;
  if (name === '')
    throw new RegisterError(
      `the method has no name: use a named function (function m(x) {...}), or registerMethod({ name: 'm', ... }, fn)`,
    );
  const methodName = checkString('name', name);
  if (!/^[^\s/:@?#%"<>\\^`{|}\p{Cc}]{1,128}$/u.test(methodName))
    throw new RegisterError(
      `method name '${methodName.slice(0, 128)}' is not allowed: 1 to 128 characters without blanks, control characters and / : @ ? # % " < > \\ ^ \` { | }`,
    );
  const kind = Object.prototype.toString.call(body);
  if (kind !== '[object Function]')
    throw new RegisterError(
      `the body of method '${methodName}' must be a plain function, not ${kind.slice(8, -1)}: it runs once, at load, with placeholders`,
    );
  const outputSignatures = isPlainObject(outputs)
    ? Object.entries(outputs).map(([output, description]) => signature(`outputs.${output}`, output, description))
    : checkStringOrList(isPlainObject(given) ? 'outputs' : 'outputNames', outputs, true).map((output) => ({
        name: comparableName(output),
      }));
  refuseTwins('outputs', outputSignatures);
  return {
    name: comparableName(methodName),
    inputs: describeInputs(methodName, inputNames(methodName, body), inputs),
    outputs: outputSignatures,
    doc: doc === undefined ? undefined : checkString('doc', doc),
  };
}

const refusedKinds = {
  default: 'must not have a default value',
  rest: 'must not be a rest parameter',
  destructured: 'must not be destructured',
};

function inputNames(method: string, body: MethodBody): string[] {
  const parameters = parametersOf(body);
  if (parameters === undefined)
    throw new RegisterError(
      `the parameters of method '${method}' cannot be read from its source: it is a bound or native function, or a class`,
    );
  return parameters.map(({ name, kind }, index) => {
    if (kind !== 'plain')
      throw new RegisterError(`input ${name === '' ? index + 1 : `'${name}'`} of method '${method}' ${refusedKinds[kind]}`);
    return name;
  });
}

function describeInputs(method: string, names: readonly string[], described: unknown): TensorSignature[] {
  if (described === undefined) return names.map((name) => ({ name: comparableName(name) }));
  if (!isPlainObject(described)) throw new RegisterError(`'inputs' must be an object, not ${typeName(described)}`);
  const unknownName = Object.keys(described).find((name) => !names.includes(name));
  if (unknownName !== undefined)
    throw new RegisterError(
      `'inputs' describes '${unknownName}', but the inputs of method '${method}' are: ${names.join(', ')}${hintOf(unknownName, names)}`,
    );
  const signatures = names.map((name) => inputSignature(name, (Object.hasOwn(described, name) ? described[name] : undefined) ?? {}));
  refuseTwins('inputs', signatures);
  return signatures;
}

/** Names are one in whatever form their letters are written. */
function refuseTwins(where: string, signatures: readonly TensorSignature[]): void {
  const twin = signatures.find(({ name }, index) => signatures.findIndex((other) => other.name === name) !== index);
  if (twin !== undefined) throw new RegisterError(`'${where}' has the name '${twin.name}' twice`);
}

const describable = ['dtype', 'shape', 'doc'];

function inputSignature(parameter: string, description: unknown): TensorSignature {
  const where = `inputs.${parameter}`;
  if (!isPlainObject(description)) throw new RegisterError(`'${where}' must be an object, not ${typeName(description)}`);
  refuseUnknown(`'${where}' has no member`, description, ['name', ...describable, 'example']);
  const { name: publicName, example, ...told } = description;
  const name = publicName === undefined ? parameter : checkString(`${where}.name`, publicName);
  const known = signature(where, name, told);
  return example === undefined ? known : { ...known, example: exampleTensor(`${where}.example`, example, known.dtype, known.shape) };
}

function signature(where: string, name: string, description: unknown): TensorSignature {
  checkString('outputs', name);
  if (!isPlainObject(description)) throw new RegisterError(`'${where}' must be an object, not ${typeName(description)}`);
  refuseUnknown(`'${where}' has no member`, description, describable);
  const { dtype, shape, doc } = description;
  if (dtype !== undefined && !isDType(checkString(`${where}.dtype`, dtype)))
    throw new RegisterError(`'${where}.dtype' is no data type: '${String(dtype)}'`);
  if (shape !== undefined && !Array.isArray(shape))
    throw new RegisterError(`'${where}.shape' must be an array of integers, not ${typeName(shape)}`);
  return {
    name: comparableName(name),
    dtype: dtype as DType | undefined,
    shape: (shape as unknown[] | undefined)?.map((dim) => checkInteger(`${where}.shape`, dim, -1)),
    doc: doc === undefined ? undefined : checkString(`${where}.doc`, doc),
  };
}

function runBody(registry: Registry, method: OpenMethod, body: MethodBody, given: CheckedMethod): ValueSource[] {
  registry.openMethod = method;
  try {
    const returned: unknown = body(...given.inputs.map((_, index) => new Placeholder(method, { from: 'input', index })));
    const values = returnedValues(returned, given.outputs.length);
    const sources = values.map((value) => sourceOf(value, method));
    closeDeprecated(registry, method);
    const wrong = sources.indexOf(undefined);
    if (wrong >= 0) throw new RegisterError(strangeReturn(method.name, values[wrong]));
    if (sources.length !== given.outputs.length)
      throw new RegisterError(
        `method '${method.name}' returns ${counted(sources.length, 'value')} and has ${counted(given.outputs.length, 'output name')}: ${given.outputs.map(({ name }) => name).join(', ')}`,
      );
    return sources as ValueSource[];
  } finally {
    registry.openMethod = undefined;
  }
}

function strangeReturn(method: string, value: unknown): string {
  if (value === undefined) return `method '${method}' returns nothing in place of an output: return what addStage gives`;
  const what = isPlaceholder(value) ? 'one of another method' : typeName(value);
  return `method '${method}' must return its inputs and outputs of its stages, not ${what}`;
}

/** What the body returned, as a list. `return callServable(x)` in a method of several outputs means all of the model's outputs. */
function returnedValues(returned: unknown, count: number): unknown[] {
  if (Array.isArray(returned)) return returned as unknown[];
  if (count === 1 || !isPlaceholder(returned) || !(Symbol.iterator in returned)) return [returned];
  const taken: unknown[] = [];
  for (const value of returned as Iterable<unknown>) {
    taken.push(value);
    if (taken.length === count) break;
  }
  return taken;
}
