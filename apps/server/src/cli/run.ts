import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NativeError, type NativeTensor, type SessionDescription } from '@mserve/native';
import { openModel, type ModelKey } from '../model-file.js';
import { readNpy, writeNpy } from '../npy.js';
import { CliError } from './cli-error.js';

export interface RunFlags {
  readonly input: readonly string[];
  readonly outputDir?: string | undefined;
  readonly threads: number;
  readonly key?: ModelKey | undefined;
}

export interface RunOutput {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where it was written; undefined without --output-dir. */
  readonly file: string | undefined;
}

function readTensor(path: string): NativeTensor {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`, 2);
  }
  return readNpy(bytes) as NativeTensor;
}

/** Inputs in the model's order from `a.npy` (by position) and `name=a.npy` (by name), which may be mixed. */
function inputsInOrder(inputs: readonly string[], description: SessionDescription): NativeTensor[] {
  const names = description.inputs.map((input) => input.name);
  const given = new Map<string, NativeTensor>();
  const byPosition: NativeTensor[] = [];
  for (const text of inputs) {
    const at = text.indexOf('=');
    const name = at > 0 ? text.slice(0, at) : '';
    if (names.includes(name)) given.set(name, readTensor(text.slice(at + 1)));
    else byPosition.push(readTensor(text));
  }
  const ordered = names.map((name) => given.get(name) ?? byPosition.shift());
  const missing = names.filter((_, i) => ordered[i] === undefined);
  const described = description.inputs.map((input) => `${input.name} ${input.dtype} [${input.shape.join(', ')}]`).join('; ');
  if (missing.length > 0) throw new CliError(`no --input for ${missing.join(', ')}; the model takes: ${described}`, 2);
  if (byPosition.length > 0) throw new CliError(`${byPosition.length} --input too many; the model takes: ${described}`, 2);
  return ordered as NativeTensor[];
}

/** Runs a model file once, without a server, on the same native path; writes output_0.npy, output_1.npy, ... into outputDir. */
export async function run(modelFile: string, flags: RunFlags): Promise<RunOutput[]> {
  const session = await openModel(modelFile, { intraOpThreads: flags.threads, key: flags.key });
  try {
    const { outputs } = session.describe();
    const tensors = await session.run(inputsInOrder(flags.input, session.describe()));
    if (flags.outputDir !== undefined) mkdirSync(flags.outputDir, { recursive: true });
    return tensors.map((tensor, i) => {
      const file = flags.outputDir === undefined ? undefined : join(flags.outputDir, `output_${i}.npy`);
      if (file !== undefined) writeFileSync(file, writeNpy(tensor));
      return { name: outputs[i]?.name ?? String(i), dtype: tensor.dtype, shape: tensor.shape, file };
    });
  } catch (error) {
    if (error instanceof NativeError) throw new CliError(error.message);
    throw error;
  } finally {
    await session.close();
  }
}
