/**
 * `node scripts/settings-docs.mjs`: writes what the docs say about settings from their declarations in libs/config (build first): the tables between the
 * markers of docs/cli.md and docs/fleet.md, and the JSON Schema of the config file. `test/settings-docs.spec.ts` holds them equal.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  allowedOf,
  boundsText,
  defaultOf,
  defaultText,
  flagOf,
  hasSetting,
  placeholderOf,
  settingEntries,
  variableOf,
} from '@mserve/config';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** In a cell of a table. */
const cell = (text) => text.replaceAll('|', '\\|');
const code = (text) => `\`${text}\``;

function meaning([, setting], program) {
  const bounds = boundsText(setting);
  const aliases = (setting.aliases ?? []).map((alias) => code(flagOf(alias)));
  const serverDefault =
    program !== 'server' || setting.serverDefault === undefined ? [] : [`default in an app of a fleet: ${code(String(setting.default))}`];
  const fleetDefault =
    program === 'fleet' || setting.fleetDefault === undefined ? [] : [`default with mserve fleet: ${code(String(setting.fleetDefault))}`];
  return [
    setting.doc,
    ...(bounds === undefined ? [] : [bounds]),
    ...serverDefault,
    ...fleetDefault,
    ...(aliases.length === 0 ? [] : [`also: ${aliases.join(', ')}`]),
  ].join('; ');
}

function row(entry, program) {
  const [key, setting] = entry;
  const flag = `${flagOf(key)} ${placeholderOf(setting.shape)}`.trimEnd();
  const value = defaultText(program, setting);
  const shown = value === undefined ? '' : defaultOf(program, setting) === undefined ? value : code(value);
  return `| ${code(flag)} | ${code(variableOf(key))} | ${code(key)} | ${cell(shown)} | ${cell(meaning(entry, program))} |`;
}

/** The settings of a program that `wanted` accepts, as a table. */
function table(program, wanted) {
  const rows = settingEntries.filter(([, setting]) => hasSetting(program, setting) && wanted(setting)).map((entry) => row(entry, program));
  return ['| flag | variable | file key, option | default | meaning |', '|---|---|---|---|---|', ...rows].join('\n');
}

const shared = ({ apps }) => ['gateway', 'scheduler', 'device-worker'].every((app) => apps.includes(app));
const only = (app) => (setting) => !shared(setting) && setting.apps.includes(app);

/** The tables, by the name that stands in their markers: `<!-- settings: NAME -->` up to `<!-- end -->`. */
const tables = {
  'server: fleet': table('server', shared),
  'server: gateway': table('server', only('gateway')),
  'server: scheduler': table('server', only('scheduler')),
  'server: device-worker': table('server', only('device-worker')),
  'server: agent': table('server', ({ apps }) => apps.every((app) => app === 'agent')),
  agent: table('agent', only('agent')),
  'fleet command': table('fleet', ({ apps }) => apps.includes('fleet')),
  fleet: table('gateway', shared),
  'by app': ['gateway', 'scheduler', 'device-worker', 'agent']
    .map(
      (app) =>
        `- ${app}: ${settingEntries
          .filter(([, setting]) => only(app)(setting))
          .map(([key]) => code(flagOf(key)))
          .join(', ')}`,
    )
    .join('\n'),
};

/** A document with its tables as they should be. Throws for a marker that no table has. */
export function withTables(document) {
  return document.replaceAll(/<!-- settings: ([^>]+) -->\n[^]*?<!-- end -->/g, (_, name) => {
    if (tables[name] === undefined)
      throw new Error(`there is no table of settings '${name}'; there are: ${Object.keys(tables).join(', ')}`);
    return `<!-- settings: ${name} -->\n\n${tables[name]}\n\n<!-- end -->`;
  });
}

function valueSchema(shape) {
  const { kind, min, max } = shape;
  switch (kind) {
    case 'whole':
      return { type: 'integer', minimum: min, maximum: max };
    case 'number':
      return { type: 'number', minimum: min, maximum: max };
    case 'yes-no':
      return { type: 'boolean' };
    case 'choice':
      return { enum: shape.choices };
    case 'text':
      return { type: 'string', pattern: shape.pattern };
    case 'path':
      return { type: 'string', minLength: 1 };
    case 'address':
      return { type: 'string' };
    case 'bus':
      return { type: 'string', minLength: 1 };
    case 'wholes':
      return {
        type: 'array',
        items: { type: 'integer', minimum: min, maximum: max },
        minItems: 1,
        maxItems: shape.most,
        uniqueItems: true,
      };
    case 'paths':
      return { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1, maxItems: shape.most, uniqueItems: true };
    case 'servables':
      return {
        type: 'array',
        items: { type: 'string', pattern: '^(?![ .])[^/:,\\\\]{1,64}(:(0|[1-9][0-9]*))?$' },
        minItems: 1,
        uniqueItems: true,
      };
    default:
      throw new Error(`a setting of the kind ${kind} has no schema yet`);
  }
}

/** The JSON Schema (2020-12) of a config file, as text. Editors take it for YAML too. */
export function fileSchema() {
  const properties = settingEntries.flatMap(([key, setting]) => {
    const description = `${setting.doc}: ${allowedOf(setting.shape)}. ${setting.apps.join(', ')}; flag ${flagOf(key)}, variable ${variableOf(key)}.`;
    const nullable = { anyOf: [valueSchema(setting.shape), { type: 'null' }] };
    const otherwise = setting.default === undefined ? {} : { default: setting.default };
    const aliases = (setting.aliases ?? []).map((alias) => [alias, { ...nullable, description: `another spelling of ${key}` }]);
    return [[key, { ...nullable, description, ...otherwise }], ...aliases];
  });
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'mserve',
    description: 'Settings of mserve serve, of mserve fleet, and of gateway, scheduler and device-worker. Null is as good as left out.',
    type: 'object',
    properties: { $schema: { type: 'string' }, ...Object.fromEntries(properties) },
    additionalProperties: false,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** What is generated: each file with the function that gives its text from the text that it has. */
export const generated = {
  'docs/cli.md': withTables,
  'docs/fleet.md': withTables,
  'docs/mserve.schema.json': () => fileSchema(),
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [file, textOf] of Object.entries(generated)) {
    const path = join(root, file);
    writeFileSync(path, textOf(file.endsWith('.md') ? readFileSync(path, 'utf8') : ''));
  }
}
