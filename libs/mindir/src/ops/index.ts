import { activation } from './activation.js';
import { arithmetic } from './arithmetic.js';
import { collective } from './collective.js';
import { convolutionFamily } from './convolution.js';
import { decoding } from './decoding.js';
import { deformable } from './deformable.js';
import { fillFamily } from './fill.js';
import { gatherScatter } from './gather.js';
import { image } from './image.js';
import { inPlaceFamily } from './inplace.js';
import { pythonValues } from './python-values.js';
import { linalg } from './linalg.js';
import { logic } from './logic.js';
import { loss } from './loss.js';
import { matmul } from './matmul.js';
import { normalisation } from './normalisation.js';
import type { OpEntry, OpFamily } from './op-table.js';
import { pooling } from './pooling.js';
import { positions } from './positions.js';
import { recurrent } from './recurrent.js';
import { reduction } from './reduction.js';
import { shape } from './shape.js';
import { slicing } from './slicing.js';
import { sorting } from './sort.js';
import { special } from './special.js';
import { structure } from './structure.js';

const pure: readonly OpFamily[] = [
  arithmetic,
  special,
  logic,
  activation,
  reduction,
  matmul,
  linalg,
  convolutionFamily,
  pooling,
  normalisation,
  shape,
  slicing,
  gatherScatter,
  fillFamily,
  sorting,
  recurrent,
  decoding,
  image,
  deformable,
  positions,
  loss,
];

function byName(families: readonly OpFamily[]): Map<string, OpEntry> {
  return new Map(families.flatMap(({ entries }) => entries.map((entry) => [entry.name, entry] as const)));
}

/** All families, in the order of the documentation. */
export const opFamilies: readonly OpFamily[] = [...pure, inPlaceFamily(byName(pure)), structure, pythonValues, collective];

/** Every operator that can be translated, by its primitive name. */
export const opTable: ReadonlyMap<string, OpEntry> = byName(opFamilies);
