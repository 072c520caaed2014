import { comparableName, type MethodSignature } from '@mserve/wire';
import { sameBytes } from './json/json-reader.js';

/** What a protocol works out once of a method's signature: names as UTF-8, output order of the original's REST replies. */
export interface MethodPlan {
  readonly inputNames: readonly Uint8Array[];
  readonly outputNames: readonly Uint8Array[];
  /** Indices of outputs in the order of their names: the original's JSON objects are sorted. */
  readonly sortedOutputs: readonly number[];
  /** `"name":` of each output. */
  readonly outputKeys: readonly string[];
}

const plans = new WeakMap<MethodSignature, MethodPlan>();

/** The plan of a method; made once per signature object. */
export function planOf(method: MethodSignature): MethodPlan {
  let plan = plans.get(method);
  if (plan === undefined) {
    const outputNames = method.outputs.map(({ name }) => Buffer.from(name));
    plan = {
      inputNames: method.inputs.map(({ name }) => Buffer.from(name)),
      outputNames,
      sortedOutputs: outputNames
        .map((_, index) => index)
        .sort((a, b) => Buffer.compare(outputNames[a] as Buffer, outputNames[b] as Buffer)),
      outputKeys: method.outputs.map(({ name }) => `${JSON.stringify(name)}:`),
    };
    plans.set(method, plan);
  }
  return plan;
}

/** Index of a name, or -1. `hint` is tried first: clients send names in the declared order. Letters and accents may come apart (see comparableName). */
export function nameIndex(names: readonly Uint8Array[], name: Uint8Array, hint: number): number {
  const hinted = names[hint];
  if (hinted !== undefined && sameBytes(hinted, name)) return hint;
  for (let i = 0; i < names.length; i++) if (sameBytes(names[i] as Uint8Array, name)) return i;
  if (!name.some((byte) => byte > 0x7f)) return -1;
  const composed = Buffer.from(comparableName(Buffer.from(name).toString()));
  return names.findIndex((known) => sameBytes(known, composed));
}
