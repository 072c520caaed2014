import type { Value } from '../graph/value.js';
import { operandOf } from './compose.js';
import type { OpCall } from './op-call.js';
import { op, type OpEntry, type OpFamily } from './op-table.js';

/** Operators that change their first operand, by the operator that computes the same value. */
const sameAs: readonly (readonly [string, string])[] = [
  ['InplaceAddExt', 'AddExt'],
  ['InplaceAddsExt', 'AddExt'],
  ['InplaceSubExt', 'SubExt'],
  ['InplaceSubScalar', 'SubExt'],
  ['InplaceMul', 'Mul'],
  ['InplaceMuls', 'Mul'],
  ['InplaceDiv', 'RealDiv'],
  ['InplaceDivs', 'RealDiv'],
  ['InplaceDivMod', 'DivMod'],
  ['InplaceDivMods', 'DivMods'],
  ['InplaceFloorDivide', 'FloorDiv'],
  ['InplaceFloorDivides', 'FloorDiv'],
  ['InplaceRemainderTensorTensor', 'FloorMod'],
  ['InplaceRemainderTensorScalar', 'FloorMod'],
  ['InplaceExp', 'Exp'],
  ['InplaceLog', 'Log'],
  ['InplaceFloor', 'Floor'],
  ['InplaceSign', 'Sign'],
  ['InplaceErfinv', 'Erfinv'],
  ['InplaceTanh', 'Tanh'],
  ['InplaceSigmoid', 'Sigmoid'],
  ['InplaceSiLU', 'SiLU'],
  ['InplaceReLU', 'ReLU'],
  ['InplaceElu', 'Elu'],
  ['InplaceHardtanh', 'Hardtanh'],
  ['InplaceThreshold', 'Threshold'],
  ['InplaceClampScalar', 'ClampScalar'],
  ['InplaceClampTensor', 'ClampTensor'],
  ['InplaceMaskedFillScalar', 'MaskedFill'],
  ['InplaceMaskedFillTensor', 'MaskedFill'],
  ['InplaceZero', 'ZerosLike'],
  ['InplaceFillScalar', 'FullLike'],
  ['InplaceFillTensor', 'FullLike'],
  ['InplaceScatterAdd', 'ScatterAddExt'],
  ['InplaceScatterSrc', 'Scatter'],
  ['InplaceScatterSrcReduce', 'Scatter'],
  ['InplaceScatterValue', 'Scatter'],
  ['InplaceScatterValueReduce', 'Scatter'],
  ['InplaceIndexAddExt', 'IndexAddExt'],
  ['InplaceIndexFillScalar', 'IndexFillScalar'],
  ['InplaceIndexFillTensor', 'IndexFillTensor'],
  ['InplaceAddmm', 'Addmm'],
  ['AssignAdd', 'Add'],
  ['AssignSub', 'Sub'],
];

/** The source in the shape of the target. */
function copied(call: OpCall): Value {
  const source = operandOf(call, 1);
  return call.node('Expand', [source, call.node('Shape', [operandOf(call, 0)])]);
}

/** The family of operators that write to their first operand; `table` holds the operators that compute the values. */
export function inPlaceFamily(table: ReadonlyMap<string, OpEntry>): OpFamily {
  const rows = sameAs.map(([name, base]): OpEntry => {
    const entry = table.get(base);
    if (entry === undefined) throw new TypeError(`${name} is computed by ${base}, which is not in the op table`);
    return { ...entry, name, inPlace: true };
  });
  const own = [...op('Assign', 'variable value', (call) => operandOf(call, 1)), ...op('InplaceCopy', 'target source', copied)];
  return { family: 'In place', entries: [...rows, ...own.map((entry) => ({ ...entry, inPlace: true }))] };
}
