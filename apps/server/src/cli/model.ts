import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { inspectMindir, loadMindir, MindirError, writeOnnx, writeSplitOnnx, type ModelReport } from '@mserve/mindir';
import { Session, type ValueDescription } from '@mserve/native';
import { proveRows, readOnnxModel } from '@mserve/onnx';
import { asCliError, formatOf, type ModelKey } from '../model-file.js';
import { CliError } from '../cli-error.js';
import { fileProblem } from '../file-problem.js';

/** An input or output of a model file. */
export interface InspectedValue {
  readonly name: string;
  readonly dtype: string;
  /** undefined = the model does not tell. */
  readonly shape: readonly number[] | undefined;
  /** An input that may be left out: the model has a value for it. */
  readonly optional?: boolean | undefined;
}

/** What `model inspect` says about a file of either format. */
export interface Inspection {
  readonly format: 'ONNX' | 'MindIR';
  readonly inputs: readonly InspectedValue[];
  /** Unknown for a MindIR whose operators are not all supported. */
  readonly outputs: readonly InspectedValue[] | undefined;
  readonly mindir?: ModelReport | undefined;
  /** What the graph proves about rows in dim 0 (docs/batching.md). undefined for a MindIR whose operators are not all supported. */
  readonly batching?: GraphBatching | undefined;
}

export interface GraphBatching {
  readonly outcome: 'proven' | 'unproven' | 'refuted';
  /** Which operator; undefined when proven. */
  readonly reason: string | undefined;
}

/** What the graph says when dim 0 of all inputs is the batch. */
function graphBatching(model: string | Uint8Array): GraphBatching {
  try {
    const onnx = readOnnxModel(model);
    const rows = onnx.graph.inputs.filter(({ name }) => !onnx.graph.initializers.has(name));
    const first = rows[0]?.dims?.[0];
    const { outcome, fault } = proveRows(onnx, {
      rowInputs: rows.map(({ name }) => name),
      rowCount: typeof first === 'number' ? first : undefined,
    });
    const reason = fault && (fault.op === '' ? fault.reason : `${fault.op} '${fault.node}' ${fault.reason}`);
    return { outcome: outcome === 'mixed' ? 'refuted' : outcome === 'unknown' ? 'unproven' : 'proven', reason };
  } catch (thrown) {
    return { outcome: 'unproven', reason: `the graph cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}` };
  }
}

/** Looks into a model file without running it. Throws CliError. */
export function inspectModel(path: string, key: ModelKey | undefined, operatorLibraries: readonly string[] = []): Promise<Inspection> {
  return asCliError(path, async () => {
    const format = formatOf(path);
    if (format === 'OM') throw new CliError(`${path} is an OM model, which mserve cannot look into yet`);
    if (format === 'ONNX') {
      const session = await Session.open(path, { operatorLibraries });
      const { inputs, outputs, defaults = [] } = session.describe();
      await session.close();
      const taken = [...inputs.map(port), ...defaults.map((value) => ({ ...port(value), optional: true }))];
      return { format, inputs: taken, outputs: outputs.map(port), batching: graphBatching(path) };
    }
    const options = { decKey: key?.key, decMode: key?.mode };
    const report = await inspectMindir(path, options);
    const model = report.unsupported.length > 0 ? undefined : await loadMindir(path, options).catch(() => undefined);
    return { format, inputs: report.inputs, outputs: model?.outputs, mindir: report, batching: model && graphBatching(model.model) };
  });
}

function port({ name, dtype, shape }: ValueDescription): InspectedValue {
  return { name, dtype, shape };
}

function portText({ name, dtype, shape, optional }: InspectedValue): string {
  const dims = shape === undefined ? 'of any shape' : `[${shape.map((dim) => (dim < 0 ? '?' : dim)).join(', ')}]`;
  return `  ${name}  ${dtype} ${dims}${optional === true ? ', may be left out' : ''}`;
}

/** What `mserve model inspect` prints. */
export function inspectionText(inspection: Inspection): string {
  const { inputs, outputs, mindir, batching } = inspection;
  const ports = ['inputs', ...inputs.map(portText), 'outputs', ...(outputs?.map(portText) ?? ['  unknown, see the operators'])];
  if (batching !== undefined)
    ports.push(
      `batching    ${batching.outcome}${batching.reason === undefined ? ': rows in dim 0 are independent' : `: ${batching.reason}`}`,
    );
  if (mindir === undefined) return [`${inspection.format}`, ...ports].join('\n');
  const ops = Object.entries(mindir.ops).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return [
    `MindIR, written by ${mindir.producer} ${mindir.version} (ir_version ${mindir.irVersion}, mind_ir_version ${mindir.mindIrVersion})`,
    `encryption  ${mindir.encryption ?? 'none'}`,
    `parameters  ${mindir.parameters.count} (${mindir.parameters.bytes} bytes)`,
    `functions   ${mindir.functions}`,
    ...ports,
    'operators',
    ...ops.map(([op, count]) => `  ${String(count).padStart(5)}  ${op}`),
    ...(mindir.unsupported.length === 0
      ? ['every operator is supported']
      : ['not supported', ...mindir.unsupported.map(({ op, node, graph }) => `  ${op} at node ${node} of ${graph}`)]),
    ...mindir.remarks.map((remark) => `remark: ${remark}`),
  ].join('\n');
}

/** What node:fs throws becomes a CliError. */
function writing(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw new CliError(`cannot write ${path}: ${fileProblem(error)}`);
  }
}

function writeWeights(path: string, weights: ReturnType<typeof writeSplitOnnx>['weights']): void {
  const file = openSync(path, 'w');
  try {
    for (const { offset, bytes } of weights)
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, Math.min(bytes.length - at, 2 ** 30), offset + at);
  } finally {
    closeSync(file);
  }
}

/** Writes an ONNX file (and, over 2 GB, its weights in `FILE.data` beside it). Resolves with the names of what was written. */
export function convertModel(path: string, target: string, key: ModelKey | undefined): Promise<string[]> {
  return asCliError(path, async () => {
    const format = formatOf(path);
    if (format !== 'MindIR')
      throw new CliError(`${path} is ${format === 'OM' ? 'an OM' : 'an ONNX'} model; only MindIR can be converted`, 2);
    if (resolve(target) === resolve(path)) throw new CliError(`--output ${target} is the file that is converted`, 2);
    const model = await loadMindir(path, { decKey: key?.key, decMode: key?.mode });
    const weightsPath = `${target}.data`;
    try {
      const onnx = writeOnnx(model);
      writing(target, () => writeFileSync(target, onnx));
      return [target];
    } catch (error) {
      if (!(error instanceof MindirError && error.kind === 'limits')) throw error;
    }
    const split = writeSplitOnnx(model, basename(weightsPath));
    writing(target, () => writeFileSync(target, split.model));
    writing(weightsPath, () => writeWeights(weightsPath, split.weights));
    return [target, weightsPath];
  });
}
