import { Dim } from '../facts/dim.js';
import { constantFact } from '../facts/fact.js';
import type { OpRule } from '../facts/op-call.js';

/** What it gives is drawn anew in every run. */
const random: OpRule = (call) => call.random('draws numbers by chance');

/** As many as are found, over all rows. */
function found(width: number): OpRule {
  return (call) => {
    if (call.inputs.some((fact) => fact?.rows !== undefined)) call.mixed('lists what it finds in all rows together');
    return constantFact([call.fresh('found'), Dim.of(width)]);
  };
}

/** Texts are cut into words and all rows filled up to the longest. */
const tokenizer: OpRule = (call) => {
  if (call.inputs[0]?.rows !== undefined) call.mixed('fills each row up to the longest of all rows');
  return constantFact(undefined);
};

/** Operators that bring rows together whatever their attributes. */
export const mixingRules: Readonly<Record<string, OpRule>> = {
  RandomNormal: random,
  RandomNormalLike: random,
  RandomUniform: random,
  RandomUniformLike: random,
  Multinomial: random,
  Bernoulli: random,
  NonMaxSuppression: found(3),
  'com.microsoft:Tokenizer': tokenizer,
};
