import { readFileSync } from 'node:fs';
import { ConfigError } from './config-error.js';
import { LayerBuilder, spellings, unknownName, type Layer } from './layers.js';
import type { ProgramName } from './setting.js';

/** Editors find the JSON Schema of the file by this key. */
const schemaKey = '$schema';

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(`cannot read the config file ${path}: ${(error as Error).message}`);
  }
}

function fileError(text: string): ConfigError {
  return new ConfigError([{ source: 'file', text }]);
}

const asItIs = (key: string): string => key;

/**
 * Reads a config file: YAML, and JSON with it, since every JSON text is one in YAML. A key without value (null) counts as absent. Settings of other
 * programs are fine there: one file may serve a whole fleet. Throws ConfigError, with the line, for what is no YAML and for unknown keys.
 */
export async function readConfigFile(path: string, program: ProgramName): Promise<Layer> {
  const { isMap, isScalar, LineCounter, parseDocument } = await import('yaml');
  const text = readText(path);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) throw fileError(`${path}:${lines.linePos(error.pos[0]).line}: neither YAML nor JSON: ${error.message}`);
  const { contents } = document;
  const builder = new LayerBuilder('file');
  if (contents === null) return builder.done();
  if (!isMap(contents)) throw fileError(`${path}:${lines.linePos(contents.range?.[0] ?? 0).line}: settings are expected, KEY: VALUE`);
  const byKey = spellings(asItIs);
  const values = document.toJS({ maxAliasCount: 100 }) as Readonly<Record<string, unknown>>;
  for (const { key } of contents.items) {
    const name = isScalar(key) ? String(key.value) : String(key);
    const place = `${path}:${isScalar(key) ? lines.linePos(key.range?.[0] ?? 0).line : 1}`;
    const spelled = byKey.get(name);
    if (spelled !== undefined && values[name] !== null) builder.add(spelled.key, name, values[name], `${place}: ${name}`);
    else if (spelled === undefined && name !== schemaKey) builder.problem(`${place}: ${unknownName('key', name, program, asItIs, [])}`);
  }
  return builder.done();
}
