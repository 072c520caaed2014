import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NativeError, type NativeTensor, type SessionDescription } from '@mserve/native';
import { openModel, type ModelKey } from '../model-file.js';
import { writeNpy } from '../npy.js';
import { CliError } from '../cli-error.js';
import { makeDirectory } from '../make-directory.js';
import { readNpyFile } from '../npy-file.js';
import { fileProblem } from '../file-problem.js';

/** Flags of `mserve run`. */
export interface RunFlags {
  readonly input: readonly string[];
  readonly outputDir?: string | undefined;
  readonly threads: number;
  readonly operatorLibraries?: readonly string[] | undefined;
  readonly key?: ModelKey | undefined;
}

/** One output of a run. */
export interface RunOutput {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where it was written; undefined without --output-dir. */
  readonly file: string | undefined;
}

function readTensor(path: string): NativeTensor {
  return readNpyFile(path) as NativeTensor;
}

/** What work() gives; what node:fs throws becomes a CliError. */
function inOutputDir<Result>(directory: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw new CliError(`cannot write into --output-dir ${directory}: ${fileProblem(error)}`);
  }
}

/**
 * Inputs in the model's order from `a.npy` (by position) and `name=a.npy` (by name), which may be mixed; undefined for those that the model has a value for and
 * that are not given.
 */
function inputsInOrder(inputs: readonly string[], description: SessionDescription): (NativeTensor | undefined)[] {
  const taken = [...description.inputs, ...(description.defaults ?? [])];
  const names = taken.map((input) => input.name);
  const required = names.slice(0, description.inputs.length);
  const described = taken
    .map(({ name, dtype, shape }, i) => {
      const optional = i < required.length ? '' : ' (has a value of its own)';
      return `${name} ${dtype} ${shape === undefined ? 'of any shape' : `[${shape.join(', ')}]`}${optional}`;
    })
    .join('; ');
  const given = new Map<string, NativeTensor>();
  const byPosition: NativeTensor[] = [];
  for (const text of inputs) {
    const at = text.indexOf('=');
    const name = at > 0 ? text.slice(0, at) : '';
    if (names.includes(name)) {
      if (given.has(name)) throw new CliError(`--input ${name} is given twice`, 2);
      given.set(name, readTensor(text.slice(at + 1)));
    } else if (name !== '' && !existsSync(text)) throw new CliError(`the model has no input '${name}'; it takes: ${described}`, 2);
    else byPosition.push(readTensor(text));
  }
  const ordered = names.map((name) => given.get(name) ?? byPosition.shift());
  const missing = required.filter((_, i) => ordered[i] === undefined);
  if (missing.length > 0) throw new CliError(`no --input for ${missing.join(', ')}; the model takes: ${described}`, 2);
  if (byPosition.length > 0) throw new CliError(`${byPosition.length} --input too many; the model takes: ${described}`, 2);
  return ordered;
}

/** Runs a model file once, without a server, on the same native path; writes output_0.npy, output_1.npy, ... into outputDir. */
export async function run(modelFile: string, flags: RunFlags): Promise<RunOutput[]> {
  const session = await openModel(modelFile, {
    intraOpThreads: flags.threads,
    key: flags.key,
    operatorLibraries: flags.operatorLibraries ?? [],
  });
  try {
    const { outputs } = session.describe();
    const tensors = await session.run(inputsInOrder(flags.input, session.describe()));
    const { outputDir } = flags;
    if (outputDir !== undefined) inOutputDir(outputDir, () => makeDirectory(outputDir));
    return tensors.map((tensor, i) => {
      const file = outputDir === undefined ? undefined : join(outputDir, `output_${i}.npy`);
      if (outputDir !== undefined && file !== undefined) inOutputDir(outputDir, () => writeFileSync(file, writeNpy(tensor)));
      return { name: outputs[i]?.name ?? String(i), dtype: tensor.dtype, shape: tensor.shape, file };
    });
  } catch (error) {
    if (error instanceof NativeError) throw new CliError(error.message);
    throw error;
  } finally {
    await session.close();
  }
}
