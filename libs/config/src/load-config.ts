import { readFileSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { ConfigError, HelpRequested } from './config-error.js';
import { nearest } from './nearest.js';
import { settingsOf, type Setting } from './setting.js';

export interface ConfigSources {
  /** Arguments after the program, e.g. process.argv.slice(2). */
  readonly argv: readonly string[];
  /** Environment; only names that start with MSERVE_ are looked at. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For --help: how the program is started. */
  readonly program: string;
}

type Values = Record<string, unknown>;

function unknown(what: string, name: string, known: readonly string[]): never {
  const close = nearest(name, known);
  throw new ConfigError(
    `unknown ${what} '${name}'${close === undefined ? '' : `, did you mean '${close}'?`}${close === undefined ? ` (known: ${known.join(', ')})` : ''}`,
  );
}

function parseNumber(text: string, where: string): number {
  const number = Number(text);
  if (text.trim() === '' || Number.isNaN(number)) throw new ConfigError(`${where} should be a number, but is '${text}'`);
  return number;
}

function parseText(setting: Setting, text: string, where: string): unknown {
  switch (setting.kind) {
    case 'text':
      return text;
    case 'number':
      return parseNumber(text, where);
    case 'list':
      return text === '' ? [] : text.split(',');
    case 'numbers':
      return text === '' ? [] : text.split(',').map((part) => parseNumber(part, where));
    case 'yes-no':
      if (/^(true|yes|on|1)$/i.test(text)) return true;
      if (/^(false|no|off|0)$/i.test(text)) return false;
      throw new ConfigError(`${where} should be true or false, but is '${text}'`);
  }
}

function fromFlags(argv: readonly string[], settings: readonly Setting[]): { values: Values; file: string | undefined } {
  const byFlag = new Map(settings.map((setting) => [setting.flag, setting]));
  const known = [...byFlag.keys(), '--config', '--help'];
  const values: Values = {};
  let file: string | undefined;
  for (let i = 0; i < argv.length; i++) {
    const [flag, inline] = splitFlag(argv[i] as string);
    if (flag === '--help' || flag === '-h') throw new HelpRequested();
    const setting = byFlag.get(flag);
    if (setting === undefined && flag !== '--config') unknown('flag', flag, known);
    const next = argv[i + 1];
    if (inline === undefined && setting?.kind === 'yes-no' && (next === undefined || next.startsWith('--'))) {
      values[setting.key] = true;
      continue;
    }
    const text = inline ?? next;
    if (text === undefined || (inline === undefined && text.startsWith('--'))) throw new ConfigError(`${flag} needs a value`);
    if (inline === undefined) i += 1;
    if (setting === undefined) file = text;
    else values[setting.key] = parseText(setting, text, flag);
  }
  return { values, file };
}

function splitFlag(text: string): [flag: string, value: string | undefined] {
  const at = text.indexOf('=');
  return at > 0 && text.startsWith('--') ? [text.slice(0, at), text.slice(at + 1)] : [text, undefined];
}

/** Names that belong to no setting but are fine: other parts of the project read them. */
const foreignEnv = new Set(['MSERVE_CONFIG']);

/** What Kubernetes tells every container of a service called mserve or mserve-...: nobody has set these, and they are no settings. */
const serviceLink = /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;

function isServiceLink(name: string, text: string): boolean {
  return serviceLink.test(name) || (name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(text));
}

function fromEnv(env: ConfigSources['env'], settings: readonly Setting[]): Values {
  const byName = new Map(settings.map((setting) => [setting.env, setting]));
  const values: Values = {};
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('MSERVE_') || text === undefined || foreignEnv.has(name)) continue;
    const setting = byName.get(name);
    if (setting === undefined && isServiceLink(name, text)) continue;
    if (setting === undefined) unknown('environment variable', name, [...byName.keys(), ...foreignEnv]);
    values[setting.key] = parseText(setting, text, name);
  }
  return values;
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** A key that is null is as good as left out. */
function fromFile(path: string, settings: readonly Setting[]): Values {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read the config file ${path}: ${(error as Error).message}`);
  }
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch (error) {
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    throw new ConfigError(
      `${path}${position === undefined ? '' : `:${lineOf(text, Number(position))}`}: not JSON: ${(error as Error).message}`,
    );
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) throw new ConfigError(`${path}: a JSON object is expected`);
  const known = settings.map((setting) => setting.key);
  for (const key of Object.keys(values)) {
    if (!known.includes(key)) {
      try {
        unknown('key', key, known);
      } catch (error) {
        throw new ConfigError(`${path}:${lineOf(text, text.indexOf(`"${key}"`))}: ${(error as Error).message}`);
      }
    }
  }
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}

function helpText(program: string, instance: object, settings: readonly Setting[]): string {
  const defaults = instance as Values;
  const rows = settings.map((setting) => {
    const value = defaults[setting.key];
    const shown =
      value === undefined || value === '' || setting.secret ? '' : ` (default: ${Array.isArray(value) ? value.join(',') : String(value)})`;
    return `  ${setting.flag.padEnd(26)} ${setting.doc}${shown}\n  ${''.padEnd(26)} env ${setting.env}, file key ${setting.key}`;
  });
  return [
    `Usage: ${program} [flags]`,
    '',
    'Flags win over environment, environment over the config file, the file over defaults.',
    '',
    `  ${'--config'.padEnd(26)} a JSON file of settings (env MSERVE_CONFIG)`,
    ...rows,
  ].join('\n');
}

/**
 * A validated configuration: defaults of the class, then the file (--config or MSERVE_CONFIG), environment (MSERVE_...) and flags.
 * Throws ConfigError for an unknown key (naming the nearest known one), for text that cannot be parsed and for what class-validator refuses;
 * HelpRequested for --help.
 */
export function loadConfig<T extends object>(Class: new () => T, sources: ConfigSources): T {
  const settings = settingsOf(Class.prototype as object);
  let flags: ReturnType<typeof fromFlags>;
  try {
    flags = fromFlags(sources.argv, settings);
  } catch (error) {
    if (error instanceof HelpRequested) throw new HelpRequested(helpText(sources.program, new Class(), settings));
    throw error;
  }
  const file = flags.file ?? sources.env['MSERVE_CONFIG'];
  const fileValues = file === undefined ? {} : fromFile(file, settings);
  const envValues = fromEnv(sources.env, settings);
  const config = plainToInstance(Class, { ...fileValues, ...envValues, ...flags.values }, { exposeDefaultValues: true });
  const [problem] = validateSync(config, { whitelist: true, forbidNonWhitelisted: false });
  if (problem !== undefined) {
    const key = problem.property;
    const setting = settings.find((one) => one.key === key);
    const fromElsewhere = key in envValues ? setting?.env : key in fileValues ? file : undefined;
    const where = key in flags.values || fromElsewhere === undefined ? (setting?.flag ?? key) : fromElsewhere;
    throw new ConfigError(
      `${where}: ${complaint(problem.constraints ?? {})}${setting?.secret === true ? '' : `, but is ${shown(problem.value)}`}`,
    );
  }
  return config;
}

/** Of what is wrong with a value, a wrong type is the thing to say. */
function complaint(constraints: Readonly<Record<string, string>>): string {
  const [first] = Object.entries(constraints).sort(([a], [b]) => Number(b.startsWith('is')) - Number(a.startsWith('is')));
  return first?.[1] ?? 'a nested value is wrong';
}

/** Credentials inside of an address are not shown. */
function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  return JSON.stringify(value).replaceAll(/(\/\/|")[^/@"]*@/g, '$1...@');
}
