import type { OnnxModel, OnnxNode } from './onnx-model.js';

/** Labels of the classes that a classifier tells apart, in its order: all texts, or all whole numbers. */
export type ClassNames = readonly string[] | readonly number[];

/** Operators that leave what is in the last dim where it is. */
const passing = new Set(['Identity', 'Cast', 'Softmax', 'Sigmoid', 'ai.onnx.ml:Normalizer', 'ai.onnx.ml:ZipMap']);
const classifiers = new Set(['ai.onnx.ml:LinearClassifier', 'ai.onnx.ml:TreeEnsembleClassifier', 'ai.onnx.ml:SVMClassifier']);
/** Deepest chain of operators that is followed. */
const maxSteps = 32;

/** By name of an output that has a number for each class (the scores of a classifier, with or without a ZipMap behind it): the labels of its classes. */
export function classNamesOf({ graph }: OnnxModel): ReadonlyMap<string, ClassNames> {
  const found = new Map<string, ClassNames>();
  const makers = new Map<string, OnnxNode>();
  for (const node of graph.nodes) for (const output of node.outputs) makers.set(output, node);
  for (const { name } of graph.outputs) {
    const names = namesBehind(name, makers);
    if (names !== undefined) found.set(name, names);
  }
  return found;
}

function namesBehind(output: string, makers: ReadonlyMap<string, OnnxNode>): ClassNames | undefined {
  let value = output;
  for (let step = 0; step < maxSteps; step++) {
    const node = makers.get(value);
    if (node === undefined) return undefined;
    const key = node.domain === '' ? node.op : `${node.domain}:${node.op}`;
    const own = labelsOf(node);
    // Of a classifier's outputs the first is the label
    if (classifiers.has(key)) return node.outputs[1] === value ? own : undefined;
    if (!passing.has(key)) return undefined;
    if (own !== undefined) return own;
    value = node.inputs[0] ?? '';
  }
  return undefined;
}

function labelsOf({ attributes }: OnnxNode): ClassNames | undefined {
  const texts = attributes.get('classlabels_strings');
  if (texts !== undefined && texts.textCount > 0) return texts.texts.length === texts.textCount ? texts.texts : undefined;
  const ints = (attributes.get('classlabels_int64s') ?? attributes.get('classlabels_ints'))?.ints ?? [];
  return ints.length > 0 && ints.every(Number.isSafeInteger) ? ints : undefined;
}
