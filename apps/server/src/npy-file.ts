import { readFileSync } from 'node:fs';
import { ServingError, type Tensor } from '@mserve/wire';
import { readNpy } from './npy.js';
import { CliError } from './cli-error.js';
import { fileProblem } from './file-problem.js';

/** The tensor in a .npy file. Throws CliError that names the file. */
export function readNpyFile(path: string): Tensor {
  try {
    return readNpy(readFileSync(path));
  } catch (error) {
    if (error instanceof ServingError) throw new CliError(`${path} is ${error.message}`);
    throw new CliError(`cannot read ${path}: ${fileProblem(error)}`, 2);
  }
}
