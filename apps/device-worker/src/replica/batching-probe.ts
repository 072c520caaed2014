import type { Tensor } from '@mserve/wire';
import type { NativeTensor } from '@mserve/native';
import { takenOutputs } from '../execution/batch.js';
import type { LoadedModel } from '../execution/executor.js';
import { ProbeRows, probeStyles, type ProbeRow } from './probe-rows.js';
import { rowOf, sameBits, sameButForRounding } from './row-comparison.js';

/** What running a few rows alone and together showed. */
export interface ProbeFinding {
  /**
   * - agrees: rows come out the same with whatever neighbours
   * - differs: they do not
   * - uncounted: an output has not as many entries in its first dim as there are rows
   * - nothing: the model cannot be run with made-up rows, or gives something else each time
   */
  readonly kind: 'agrees' | 'differs' | 'uncounted' | 'nothing';
  /** For people: what differs, or why nothing was found. */
  readonly text: string;
  /** Of which output, where that is known. */
  readonly output: number | undefined;
  /** Comparisons that were made, and how many there would be with time enough. */
  readonly comparisons: number;
  readonly planned: number;
  readonly ms: number;
  /** Time of the first run, which is not in `ms`. */
  readonly firstMs: number;
  /** The inputs and outputs of the first run: they tell a second session of the same model apart. undefined when there was none. */
  readonly first: { readonly inputs: readonly (NativeTensor | undefined)[]; readonly outputs: readonly NativeTensor[] } | undefined;
}

export interface ProbeOptions {
  /** By input of the model: the author's example of one instance. */
  readonly examples: readonly (Tensor | undefined)[];
  /** Time for all runs after the first, which any model needs to warm up. */
  readonly budgetMs: number;
  /** Longest time of one run. */
  readonly timeoutMs: number;
}

/** Rows of a run that is compared; a fixed batch is filled up with its first row. */
interface Comparison {
  readonly rows: readonly ProbeRow[];
  /** Which row of the run is compared, with which row of which run before. */
  readonly at: number;
  readonly with: { readonly run: number; readonly at: number };
  /** Both runs have the same shape and the row is at the same place: not a bit may differ. */
  readonly exact: boolean;
}

/** The first comparison is of run 0 with itself. Those that show most come first. */
function comparisonsFor(size: number): Comparison[] {
  const alone: Comparison = { rows: [0], at: 0, with: { run: 0, at: 0 }, exact: true };
  if (size === 1) return [alone];
  const many: readonly ProbeRow[] = [0, 1, 2, 3, 4].slice(0, Math.max(2, Math.min(5, size)));
  const far: readonly ProbeRow[] = [0, 5, 6, 7, 8].slice(0, many.length);
  return [
    alone,
    { rows: [0, 1], at: 0, with: { run: 0, at: 0 }, exact: false },
    { rows: [0, 'high'], at: 0, with: { run: 2, at: 0 }, exact: true },
    { rows: [0, 'low'], at: 0, with: { run: 2, at: 0 }, exact: true },
    { rows: [0, 'zero'], at: 0, with: { run: 2, at: 0 }, exact: true },
    { rows: [1, 0], at: 1, with: { run: 0, at: 0 }, exact: false },
    { rows: [1], at: 0, with: { run: 2, at: 1 }, exact: false },
    { rows: many, at: 0, with: { run: 0, at: 0 }, exact: false },
    { rows: far, at: 0, with: { run: 8, at: 0 }, exact: true },
  ];
}

/** Runs all have the batch's shape: whatever the neighbours, a row at its place may not differ by a bit. */
function comparisonsOfFixed(size: number): Comparison[] {
  if (size === 1) return comparisonsFor(1);
  const others = Array.from({ length: size }, (_, i): ProbeRow => i);
  const fill = (row: ProbeRow): ProbeRow[] => [0, ...Array.from({ length: size - 1 }, () => row)];
  const exact = { at: 0, with: { run: 0, at: 0 }, exact: true };
  return [
    { rows: fill(0), ...exact },
    { rows: others, ...exact },
    { rows: fill('high'), ...exact },
    { rows: fill('low'), ...exact },
    { rows: fill('zero'), ...exact },
    { rows: [1, 0, ...others.slice(2)], at: 1, with: { run: 0, at: 0 }, exact: false },
  ];
}

/**
 * Runs a few rows alone, together, with other neighbours and with extreme ones, and compares. Two properties: at one shape of the batch other neighbours
 * change no bit of a row; another size of the batch, or place in it, costs rounding and nothing else. The first run warms the model up. Never rejects.
 */
export async function probeBatching(model: LoadedModel, options: ProbeOptions): Promise<ProbeFinding> {
  let refused = 'it takes no made-up values';
  for (const style of probeStyles) {
    const probe = new Probe(model, new ProbeRows(model.plan, model.session.describe(), options.examples, style), options);
    try {
      return await probe.run();
    } catch (thrown) {
      refused = thrown instanceof Error ? thrown.message : String(thrown);
    }
  }
  return noFinding(refused);
}

/** Nothing was run, or nothing could be. */
export function noFinding(text: string): ProbeFinding {
  return { kind: 'nothing', text, output: undefined, comparisons: 0, planned: 0, ms: 0, first: undefined, firstMs: 0 };
}

/** The first run of another shape takes longer than those before it. */
const newShapeFactor = 1.5;

interface ProbeRun {
  readonly rows: number;
  readonly outputs: readonly NativeTensor[];
  readonly ms: number;
}

class Probe {
  private readonly runs: ProbeRun[] = [];
  private first: ProbeFinding['first'];
  private comparisons = 0;
  private spentMs = 0;

  constructor(
    private readonly model: LoadedModel,
    private readonly rows: ProbeRows,
    private readonly options: ProbeOptions,
  ) {}

  /** Rejects when the first run fails. */
  async run(): Promise<ProbeFinding> {
    const { plan } = this.model;
    const planned =
      plan.batching === 'fixed' ? comparisonsOfFixed(plan.batchSize) : plan.batching === 'none' ? [] : comparisonsFor(plan.batchSize);
    const first = planned[0]?.rows ?? [0];
    await this.start(first);
    const told = (kind: ProbeFinding['kind'], text = '', output?: number): ProbeFinding => {
      return {
        kind,
        text,
        output,
        comparisons: this.comparisons,
        planned: planned.length,
        ms: this.spentMs,
        first: this.first,
        firstMs: this.runs[0]?.ms ?? 0,
      };
    };
    const counted = plan.batching === 'none' ? -1 : this.uncounted();
    if (counted >= 0) return told('uncounted', this.shapeText(counted), counted);
    for (const comparison of planned) {
      if (this.spentMs + this.expectedMs(comparison.rows.length) > this.options.budgetMs) break;
      try {
        await this.start(comparison.rows);
      } catch (thrown) {
        // What one row can run, several cannot: that is about these rows or about the batch, which is not told apart here.
        return told('nothing', thrown instanceof Error ? thrown.message : String(thrown));
      }
      const wrong = this.uncounted();
      if (wrong >= 0) return told('uncounted', this.shapeText(wrong), wrong);
      const output = this.differs(comparison);
      this.comparisons++;
      if (output === undefined) continue;
      if (comparison === planned[0]) return told('nothing', `output ${output} is another one each time, for the same rows`);
      if (comparison.exact && (await this.isNondeterministic(comparison)))
        return told('nothing', `output ${output} is rounded another way each time`);
      return told('differs', `output ${output} of a row is another one ${neighbours(comparison)}`, output);
    }
    return told('agrees');
  }

  private async start(rows: readonly ProbeRow[]): Promise<void> {
    const inputs = this.rows.inputs(rows);
    if (inputs === undefined) throw new RangeError('its inputs are too large to be made up');
    const startedAt = performance.now();
    const outputs = await this.model.session.run(inputs, { signal: AbortSignal.timeout(this.options.timeoutMs) });
    const ms = performance.now() - startedAt;
    if (this.runs.length > 0) this.spentMs += ms;
    this.first ??= { inputs, outputs };
    this.runs.push({ rows: rows.length, outputs: takenOutputs(this.model.plan, outputs), ms });
  }

  /** By the last runs, in proportion to the rows; the first run also allocates. */
  private expectedMs(rows: number): number {
    const { rows: size, ms } = this.runs[this.runs.length - 1] as ProbeRun;
    return ((ms * rows) / size) * newShapeFactor;
  }

  /** Index of the first output of the last run whose first dim is not the number of rows; -1 = none. */
  private uncounted(): number {
    const { rows, outputs } = this.runs[this.runs.length - 1] as ProbeRun;
    return outputs.findIndex(({ shape }) => shape[0] !== rows);
  }

  private shapeText(output: number): string {
    const { rows, outputs } = this.runs[this.runs.length - 1] as ProbeRun;
    return `it has shape [${outputs[output]?.shape.join(', ')}] for ${rows === 1 ? '1 row' : `${rows} rows`}`;
  }

  /** Index of the first output whose row is not what it should be. */
  private differs({ at, with: { run, at: place }, exact }: Comparison): number | undefined {
    const now = (this.runs[this.runs.length - 1] as ProbeRun).outputs;
    const before = (this.runs[run] as ProbeRun).outputs;
    const alike = exact ? sameBits : sameButForRounding;
    const index = now.findIndex((output, i) => {
      const [a, b] = [rowOf(output, at), rowOf(before[i] as NativeTensor, place)];
      return a !== undefined && b !== undefined && !alike(a, b);
    });
    return index < 0 ? undefined : index;
  }

  /** The run that is compared with gives other bits when it is repeated: the runtime does not round the same way each time. */
  private async isNondeterministic({ with: { run }, rows }: Comparison): Promise<boolean> {
    const last = this.runs.length - 1;
    await this.start(rows);
    const repeated = this.runs[last + 1] as ProbeRun;
    const restless = repeated.outputs.some((output, i) => !sameBits(output, (this.runs[last] as ProbeRun).outputs[i] as NativeTensor));
    return restless && run >= 0;
  }
}

function neighbours({ rows, exact }: Comparison): string {
  return exact ? 'beside other rows' : `in a run of ${rows.length === 1 ? '1 row' : `${rows.length} rows`}`;
}
