import { Dim } from '../facts/dim.js';
import { constantFact, rowFact, type Fact } from '../facts/fact.js';
import type { OpCall, OpRule } from '../facts/op-call.js';

/** Operators of `ai.onnx.ml`: x is [rows, features]. */

function perRow(call: OpCall, dims: (batch: Dim) => readonly Dim[]): Fact {
  const x = call.input(0);
  const shape = call.shape(x);
  if (shape.length < 2) call.unknown('takes a list without telling rows from features');
  call.notOver(x, [1]);
  const made = dims(shape[0] as Dim);
  return x.rows === undefined ? constantFact(made) : rowFact(made, { ...x.rows, dim: 0 });
}

/** A label for each row, and a score for each class. */
const classifier: OpRule = (call) => [perRow(call, (batch) => [batch]), perRow(call, (batch) => [batch, call.fresh('classes')])];

const regressor: OpRule = (call) => {
  const targets = call.has('n_targets') ? Dim.of(call.int('n_targets', 1)) : call.op === 'SVMRegressor' ? Dim.one : undefined;
  return perRow(call, (batch) => [
    batch,
    targets ?? (call.op === 'LinearRegressor' ? Dim.of(call.int('targets', 1)) : call.fresh('targets')),
  ]);
};

/** Each feature by itself, or over the features of a row. */
const features: OpRule = (call) => {
  const x = call.input(0);
  const rank = call.shape(x).length;
  call.notOver(x, [rank - 1]);
  return x.rows === undefined ? constantFact(x.shape) : rowFact(call.shape(x), x.rows);
};

const elements: OpRule = (call) => {
  const { shape, rows, counts } = call.input(0);
  if (counts) call.unknown('uses how many rows run together');
  return rows === undefined || shape === undefined ? constantFact(shape) : rowFact(shape, rows);
};

const pickedFeatures: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  call.notOver(x, [shape.length - 1]);
  call.sameForAll(1, 'places');
  const picked = call.shape(call.input(1));
  // A list becomes [1, count].
  const dims = shape.length === 1 ? [Dim.one, Dim.product(picked)] : [...shape.slice(0, -1), Dim.product(picked)];
  return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
};

const oneHot: OpRule = (call) => {
  const x = call.input(0);
  const categories = Math.max(call.ints('cats_int64s')?.length ?? 0, call.node.attributes.get('cats_strings')?.textCount ?? 0);
  const dims = [...call.shape(x), Dim.of(categories)];
  return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
};

const sideBySide: OpRule = (call) => {
  const facts = call.inputs.filter((fact): fact is Fact => fact !== undefined);
  const rows = facts.find((fact) => fact.rows !== undefined)?.rows;
  const widths = facts.map((fact) => call.shape(fact)[1] ?? Dim.one);
  const shape = [call.shape(facts[0] as Fact)[0] as Dim, widths.reduce((sum, width) => sum.plus(width))];
  if (rows === undefined) return constantFact(shape);
  if (!facts.every((fact) => fact.rows?.dim === 0)) call.unknown('takes some inputs from the rows and some that are the same for all');
  return rowFact(shape, rows);
};

const tfIdf: OpRule = (call) => {
  const x = call.input(0);
  const shape = call.shape(x);
  if (shape.length === 1 && x.rows !== undefined) call.mixed('counts words over all rows together');
  const dims = [...shape.slice(0, -1), call.fresh('words')];
  return x.rows === undefined ? constantFact(dims) : rowFact(dims, x.rows);
};

export const classicRules: Readonly<Record<string, OpRule>> = Object.fromEntries(
  Object.entries({
    TreeEnsembleClassifier: classifier,
    TreeEnsembleRegressor: regressor,
    TreeEnsemble: regressor,
    LinearClassifier: classifier,
    LinearRegressor: regressor,
    SVMClassifier: classifier,
    SVMRegressor: regressor,
    Scaler: features,
    Normalizer: features,
    Imputer: features,
    Binarizer: elements,
    LabelEncoder: elements,
    CategoryMapper: elements,
    ArrayFeatureExtractor: pickedFeatures,
    OneHotEncoder: oneHot,
    FeatureVectorizer: sideBySide,
    // Sessions give the tensor that it takes
    ZipMap: elements,
  } satisfies Record<string, OpRule>)
    .map(([name, rule]): [string, OpRule] => [`ai.onnx.ml:${name}`, rule])
    .concat([['TfIdfVectorizer', tfIdf]]),
);
