import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasPython, pythonWith } from '../../support/python.js';
import type { ConformanceCase } from './conformance-case.js';

/** The versions that the figures in the docs are about. */
const packages = ['onnx==1.23.2', 'onnxruntime==1.30.0', 'numpy==2.4.6'];

/** The python to use, or why there is none: specs that need it are skipped with that reason. */
export function findPython(): { readonly python?: string; readonly reason?: string } {
  if (!hasPython()) return { reason: 'no python3 with venv and pip' };
  try {
    return { python: pythonWith(packages) };
  } catch {
    return { reason: `pip cannot install ${packages.join(' ')}` };
  }
}

/** Writes the cases into a folder: all, or those named. Throws when Python fails. */
export function exportCases(python: string, folder: string, names: readonly string[] = []): ConformanceCase[] {
  const script = join(import.meta.dirname, 'export_cases.py');
  const wanted = join(folder, 'wanted.json');
  if (names.length > 0) writeFileSync(wanted, JSON.stringify(names));
  const { status, stderr } = spawnSync(python, [script, folder, ...(names.length > 0 ? [wanted] : [])], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`export_cases.py failed: ${stderr}`);
  return (JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as { cases: ConformanceCase[] }).cases;
}
