import type { ModelDeclaration } from '@mserve/register';
import type { BatchingVerdict } from './batching-verdict.js';
import type { ModelUse } from './model-use.js';

/** What was found out about a loaded model: the same for all replicas that share it and declare it alike. */
export interface ModelFinding {
  readonly verdict: BatchingVerdict;
  /** It has run. */
  readonly isWarm: boolean;
  /** Why it has not run. */
  readonly coldReason: string;
  /** How it differs from the model without the runtime's optimisation; undefined: not at all, as far as was looked. */
  readonly plainText: string | undefined;
}

/** The circumstances that a finding is about, besides the model file. */
export interface FindingKey {
  readonly declaration: ModelDeclaration;
  readonly subgraph: number;
  readonly use: ModelUse | undefined;
  readonly warmUp: boolean;
}

/** Findings about one loaded model, which live as long as it: each is made once, by the first replica that asks. */
export class ModelFindings {
  private readonly findings = new Map<string, Promise<ModelFinding>>();

  /** What was found, or what `find` finds. A model that could not be run is tried again by the next one: its session may have been closed meanwhile. */
  async get(key: FindingKey, find: () => Promise<ModelFinding>): Promise<ModelFinding> {
    const text = keyText(key);
    const known = this.findings.get(text);
    if (known !== undefined) return known;
    const finding = find();
    this.findings.set(text, finding);
    const { isWarm } = await finding;
    if (!isWarm && key.warmUp) this.findings.delete(text);
    return finding;
  }
}

function keyText({ declaration, subgraph, use, warmUp }: FindingKey): string {
  const given = use?.examples.map((example) => example && [example.dtype, example.shape, Buffer.from(example.bytes).toString('base64')]);
  return JSON.stringify([declaration, subgraph, use?.argumentCount, use?.outputCount, given, warmUp]);
}
