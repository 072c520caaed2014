import type { NativeTensor } from '@mserve/native';
import type { OnnxModel } from '@mserve/onnx';
import type { ModelSession } from '../execution/model-session.js';
import type { OpenSession } from './model-loader.js';
import { sameButForRounding } from './row-comparison.js';

export interface PlainComparison {
  /** Opens the same model without the runtime's optimisation. */
  readonly open: () => Promise<OpenSession>;
  /** There is time enough. */
  readonly fitsBudget: boolean;
  readonly readGraph: () => OnnxModel;
}

/** What the same inputs give with and without optimisation differs by more than rounding. */
export interface PlainModel {
  readonly session: OpenSession;
  readonly text: string;
}

/**
 * Runs the model as it is written beside the model as the runtime rewrote it. Resolves with the former when they differ by more than rounding, else
 * with undefined; never rejects: what cannot be compared is believed.
 */
export async function compareWithPlain(
  session: ModelSession,
  first: { readonly inputs: readonly (NativeTensor | undefined)[]; readonly outputs: readonly NativeTensor[] },
  { open, fitsBudget, readGraph }: PlainComparison,
): Promise<PlainModel | undefined> {
  if (!fitsBudget || isQuantised(readGraph)) return undefined;
  let plain: OpenSession | undefined;
  try {
    plain = await open();
    const outputs = await plain.run(first.inputs);
    const index = differing(outputs, first.outputs);
    // A model that draws numbers differs from itself, too.
    if (index >= 0 && differing(await session.run(first.inputs), first.outputs) < 0)
      return { session: plain, text: `output ${index} differs by more than rounding from that of the model as the runtime rewrote it` };
  } catch {
    // Not every model can be run unoptimised: some operators exist as the rewritten ones only
  }
  await plain?.close();
  return undefined;
}

function differing(outputs: readonly NativeTensor[], others: readonly NativeTensor[]): number {
  return outputs.findIndex((output, i) => {
    const other = others[i] as NativeTensor;
    return output.dtype !== 'string' && !sameButForRounding(other, output);
  });
}

/** Steps of quantised numbers fall elsewhere when operators are joined: that is how such models are meant to be run. */
function isQuantised(readGraph: () => OnnxModel): boolean {
  try {
    return readGraph().graph.nodes.some(({ op }) => op.includes('Quantize') || op.includes('Integer') || op.startsWith('QLinear'));
  } catch {
    return false;
  }
}
