import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether `compiler` can build with these flags, and what it builds runs. */
export function canSanitize(compiler, flags) {
  const folder = mkdtempSync(join(tmpdir(), 'mserve-sanitizer-'));
  writeFileSync(join(folder, 'main.cc'), 'int main() { return 0; }\n');
  const program = join(folder, 'main');
  const works = spawnSync(compiler, [...flags, '-o', program, `${program}.cc`]).status === 0 && spawnSync(program).status === 0;
  rmSync(folder, { recursive: true, force: true });
  return works;
}
