import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** The program of the `mserve` command: the bundle of `npm run build`, which starts in a third of the time, or else the modules that it was made of (ADR 22). */

type Program = typeof import('./cli/command.js');
/** See scripts/bundle/load.cjs. */
interface Bundle {
  loadIfCurrent(name: string): Program | undefined;
}

function bundled(): Program | undefined {
  const file = fileURLToPath(new URL('./bundle/load.cjs', import.meta.url));
  return existsSync(file) ? (createRequire(import.meta.url)(file) as Bundle).loadIfCurrent('command') : undefined;
}

const program = bundled() ?? (await import('./cli/command.js'));
await program.runCommand();
