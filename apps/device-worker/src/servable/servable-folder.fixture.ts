import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A servable directory in a temporary folder, for tests. */
export class ServableFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'mserve-test-'));

  /** Writes a file below the directory; gives its absolute path. */
  write(path: string, text: string | Uint8Array): string {
    const file = join(this.path, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Writes `{name}/servable_config.ts`; its imports of @mserve/register are given. */
  config(name: string, body: string): void {
    this.write(`${name}/servable_config.ts`, `import { addStage, declareModel, registerMethod, Tensor } from '@mserve/register';\n${body}`);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
