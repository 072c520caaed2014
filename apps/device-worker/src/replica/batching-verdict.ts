import type { OutputProof, RowProof } from '@mserve/onnx';
import type { ProbeFinding } from './batching-probe.js';

/**
 * Whether instances share runs of a model, and why.
 * - proven: the graph proves that rows are independent, and the probe agrees
 * - trusted, off: as the author declared (`batching: 'trust'` or 'off')
 * - none: the model has no batch dim (`withBatchDim: false`, or a fixed one of 1)
 * - unproven: nobody knows; one instance at a time
 * - refuted: rows depend on each other; one instance at a time
 */
export interface BatchingVerdict {
  readonly outcome: 'proven' | 'trusted' | 'off' | 'none' | 'unproven' | 'refuted';
  /**
   * - batched: as declared
   * - alone: one row per run
   * - whole: as if declared `withBatchDim: false`, because dim 0 is steps of a sequence
   */
  readonly runs: 'batched' | 'alone' | 'whole';
  /** One sentence or more for people: the operator, the dim, what to declare. */
  readonly text: string;
}

/** Graph and probe together: the model cannot be served as declared. */
export interface BatchingRefusal {
  readonly outcome: 'refused';
  readonly text: string;
}

const declareWhole = 'Declare the model with withBatchDim: false: a request is one run then, with shapes as in the model';

/** What the graph proves and the probe found, put together. `proof` is a text when the graph could not be read. */
export function judge(
  key: string,
  proof: RowProof | string,
  probe: ProbeFinding,
  inputDims: readonly (readonly string[])[],
): BatchingVerdict | BatchingRefusal {
  const uncounted = uncountedOutput(key, proof, probe, inputDims);
  if (uncounted !== undefined) return { outcome: 'refused', text: uncounted };
  if (typeof proof !== 'string' && proof.outcome === 'proven') return verdictOfProof(key, probe);
  if (typeof proof !== 'string' && proof.outcome === 'mixed') return mixed(key, proof, inputDims);
  const reason = typeof proof === 'string' ? `the graph of model ${key} cannot be read (${proof})` : reasonOf(proof);
  if (probe.kind === 'differs')
    return {
      outcome: 'refuted',
      runs: 'alone',
      text: `rows of model ${key} are not independent: ${probe.text}. It runs one instance at a time. ${declareWhole}, or with batching: 'off'`,
    };
  const text = `that rows of model ${key} are independent is not proven: ${reason}. It runs one instance at a time. If they are, declare batching: 'trust'; if dim 0 is not the batch, withBatchDim: false`;
  return { outcome: 'unproven', runs: 'alone', text };
}

function verdictOfProof(key: string, probe: ProbeFinding): BatchingVerdict {
  if (probe.kind === 'differs') {
    const text = `rows of model ${key} are not independent: its graph says so, but ${probe.text}. It runs one instance at a time`;
    return { outcome: 'refuted', runs: 'alone', text };
  }
  const found =
    probe.kind === 'nothing'
      ? `the probe proves nothing: ${probe.text}`
      : probe.comparisons === 0
        ? 'its runs are too long for the probe'
        : `${probe.comparisons} of ${probe.planned} comparisons of the probe, all agree, ${probe.ms.toFixed(1)} ms`;
  return { outcome: 'proven', runs: 'batched', text: `rows of model ${key} are independent: proven by the graph (${found})` };
}

function mixed(key: string, proof: RowProof, inputDims: readonly (readonly string[])[]): BatchingVerdict {
  const why = `rows of model ${key} are not independent: ${reasonOf(proof)}${dimText(inputDims)}`;
  if (proof.fault?.sequence === true || inputDims.some(isSequenceFirst))
    return {
      outcome: 'refuted',
      runs: 'whole',
      text: `${why}. It is served as if declared with withBatchDim: false, so that sequences are not cut. Declare it so`,
    };
  return {
    outcome: 'refuted',
    runs: 'alone',
    text: `${why}. It runs one instance at a time. If dim 0 is not the batch, declare the model with withBatchDim: false; else batching: 'off' says that this is known`,
  };
}

function reasonOf({ fault }: RowProof): string {
  if (fault === undefined) return 'the graph does not tell';
  return fault.op === '' ? fault.reason : `${fault.op} '${fault.node}' ${fault.reason}`;
}

/** The name of dim 0 of the first input that has one. */
function dimText(inputDims: readonly (readonly string[])[]): string {
  const name = inputDims.map((names) => names[0] ?? '').find((first) => first !== '');
  return name === undefined ? '' : ` (dim 0 of its inputs is '${name}')`;
}

const sequenceNames = /^(seq|sequence|time|times|t|step|steps|frame|frames|len|length|seq_?len(gth)?|sequence_length|num_frames)$/i;
const batchNames = /^(n|b|batch|batch_?size|bs)$/i;

function isSequenceFirst([first = '', second = '']: readonly string[]): boolean {
  return sequenceNames.test(first) && (second === '' || batchNames.test(second));
}

/** Operators that give as many entries as they find. */
const finders = new Set(['NonZero', 'Compress', 'Unique', 'com.microsoft.Unique', 'NonMaxSuppression']);

/** Why an output cannot be given out row by row, or undefined. */
function uncountedOutput(
  key: string,
  proof: RowProof | string,
  probe: ProbeFinding,
  inputDims: readonly (readonly string[])[],
): string | undefined {
  const outputs = typeof proof === 'string' ? [] : proof.outputs;
  const sequence = typeof proof !== 'string' && (proof.fault?.sequence === true || inputDims.some(isSequenceFirst));
  if (sequence) return undefined;
  const known = outputs.findIndex((output) => !output.isCounted || isFound(output, inputDims));
  if (known < 0 && probe.kind !== 'uncounted') return undefined;
  const index = known >= 0 ? known : (probe.output ?? 0);
  const output = outputs[index];
  const name = output === undefined ? '' : ` '${output.name}'`;
  const dim = output === undefined || output.firstDim === '' ? 'The first dim' : `The first dim '${output.firstDim}'`;
  const { fault } = output ?? {};
  const reason = fault === undefined ? '' : ` (${fault.op === '' ? fault.reason : `${fault.op} '${fault.node}' ${fault.reason}`})`;
  const ran = probe.kind === 'uncounted' ? `: ${probe.text}` : '';
  return `${dim} of output ${index}${name} of model ${key} is not the batch${ran}${reason}. ${declareWhole}`;
}

function isFound({ outcome, fault, firstDim }: OutputProof, inputDims: readonly (readonly string[])[]): boolean {
  return (
    outcome === 'mixed' &&
    fault !== undefined &&
    finders.has(fault.op) &&
    firstDim !== '' &&
    !inputDims.some(([first]) => first === firstDim)
  );
}
