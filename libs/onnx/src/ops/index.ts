import type { OpRule } from '../facts/op-call.js';
import { attentionRules } from './attention.js';
import { classicRules } from './classic.js';
import { convolutionRules } from './convolution.js';
import { elementwiseRules } from './elementwise.js';
import { matrixRules } from './matrix.js';
import { mixingRules } from './mixing.js';
import { normalisationRules } from './normalisation.js';
import { recurrentRules } from './recurrent.js';
import { reductionRules } from './reduction.js';
import { reshapeRules } from './reshape.js';
import { selectionRules } from './selection.js';

/** What each operator does with the rows, by its name; those of another set than ONNX's own by `domain:name`. */
export const opRules: Readonly<Record<string, OpRule>> = {
  ...elementwiseRules,
  ...reshapeRules,
  ...selectionRules,
  ...matrixRules,
  ...convolutionRules,
  ...normalisationRules,
  ...reductionRules,
  ...recurrentRules,
  ...attentionRules,
  ...classicRules,
  ...mixingRules,
};
