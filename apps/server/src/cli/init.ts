import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliError } from '../cli-error.js';
import { makeDirectory } from '../make-directory.js';

/** What `mserve init` wrote. */
export interface WrittenServable {
  readonly servable: string;
  /** The servable directory, as given. */
  readonly directory: string;
  readonly files: readonly string[];
  /** Command that runs the servable's test. */
  readonly test: string;
}

const template = fileURLToPath(new URL('../../templates/servable/', import.meta.url));
const commandFile = fileURLToPath(new URL('../../bin/mserve.mjs', import.meta.url));
const servableName = /^[A-Za-z0-9_-]{1,64}$/;

/** Writes servable `name` into a servable directory. Throws CliError when the name is not allowed or something of that name is there. */
export function init(name: string, directory: string): WrittenServable {
  if (!servableName.test(name))
    throw new CliError(`servable name '${name.slice(0, 64)}' is not allowed: 1 to 64 letters, digits, '_' and '-'`, 2);
  const folder = join(directory, name);
  try {
    makeDirectory(directory);
    mkdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(
      code === 'EEXIST' && existsSync(folder)
        ? `${folder} is there already, and nothing is overwritten`
        : `cannot make ${folder}: ${code ?? 'unknown reason'}`,
    );
  }
  const files = copyTemplate('', folder, name);
  const environment = isInstalledAbove(folder) ? '' : `MSERVE=${quoted(commandFile)} `;
  return { servable: name, directory, files, test: `${environment}node --test ${quoted(join(folder, `${name}.test.mjs`))}` };
}

/** Files are taken over byte by byte, but {{name}} in text becomes the servable's name. */
function copyTemplate(at: string, folder: string, name: string): string[] {
  return readdirSync(join(template, at), { withFileTypes: true }).flatMap((entry) => {
    const from = join(at, entry.name);
    if (entry.isDirectory()) {
      mkdirSync(join(folder, from));
      return copyTemplate(from, folder, name);
    }
    const to = join(folder, from.replace('servable.test.mjs', `${name}.test.mjs`));
    const bytes = readFileSync(join(template, from));
    writeFileSync(to, entry.name.endsWith('.onnx') ? bytes : bytes.toString().replaceAll('{{name}}', name));
    return [to];
  });
}

/** npx, and the servable's test, find an mserve that is installed above them; elsewhere they must be told. */
function isInstalledAbove(folder: string): boolean {
  for (let above = resolve(folder); ; above = dirname(above)) {
    if (existsSync(join(above, 'node_modules/.bin/mserve'))) return true;
    if (above === dirname(above)) return false;
  }
}

/** As one word of a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** What `mserve init` prints when it has written a servable. */
export function initText({ servable, directory, files, test }: WrittenServable): string {
  const mserve = isInstalledAbove(directory) && isInstalledAbove('.') ? 'npx mserve' : quoted(commandFile);
  const where = quoted(directory);
  return [
    ...files.map((file) => `wrote ${file}`),
    '',
    'Next:',
    `  ${mserve} check ${where}`,
    `  ${test}`,
    `  ${mserve} serve ${where} --servable ${servable}`,
    `  ${mserve} infer --servable ${servable} --method predict --input 'x=[1.0,2.0,3.0]'`,
  ].join('\n');
}
