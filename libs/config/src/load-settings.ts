import { OutputRequested } from './config-error.js';
import { readConfigFile } from './config-file.js';
import type { SettingKey, SettingOptionsOf } from './declarations.js';
import { configVariable, parseEnvironment, type Environment } from './environment.js';
import { parseFlags, type Switch } from './flags.js';
import { LayerBuilder, spellings, unknownName } from './layers.js';
import { flagOf, hasSetting, type ProgramName } from './setting.js';
import { helpText } from './help.js';
import { printedSettings } from './printed-settings.js';
import { settle, type Settled } from './settle.js';

export interface SettingSources<Program extends ProgramName> {
  readonly program: Program;
  /** How the program is started, for `--help`: `mserve serve [DIR]`. */
  readonly usage: string;
  /** Arguments after the program, e.g. process.argv.slice(2). */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** Flags of the program that are no settings. */
  readonly switches?: readonly Switch[];
  /** The setting that an argument without flag gives. */
  readonly positional?: SettingKey;
}

export interface LoadedSettings<Program extends ProgramName> extends Settled<Program> {
  /** The switches that were given. */
  readonly switches: ReadonlySet<string>;
}

/**
 * The checked settings of a program from its flags, then the environment (MSERVE_...), then the config file (`--config` or MSERVE_CONFIG), then the
 * defaults. Throws {@link ConfigError} for unknown names (naming the nearest known one), values that are not allowed and settings that do not go together;
 * {@link OutputRequested} for `--help` and `--print-config`.
 */
export async function loadSettings<Program extends ProgramName>(sources: SettingSources<Program>): Promise<LoadedSettings<Program>> {
  const { program, argv, env } = sources;
  const flags = parseFlags(argv, sources);
  if (flags.switches.has('--help')) throw new OutputRequested(helpText(sources));
  const file = flags.file ?? env[configVariable];
  const layers = [flags.layer, parseEnvironment(env, program), ...(file === undefined ? [] : [await readConfigFile(file, program)])];
  const settled = await settle(program, layers, flagOf);
  if (flags.switches.has('--print-config')) throw new OutputRequested(printedSettings(settled.settings, settled.origins));
  return { ...settled, switches: flags.switches };
}

const asItIs = (key: string): string => key;

/**
 * The checked settings of a program from options that a caller gives, over the defaults; no flag, variable or file is looked at. Aliases are
 * taken too. Throws {@link ConfigError} as {@link loadSettings} does, naming the option. `others` are names of options that are no settings.
 */
export async function settingsOfOptions<Program extends ProgramName>(
  program: Program,
  options: SettingOptionsOf<Program>,
  others: readonly string[] = [],
): Promise<Settled<Program>> {
  const byKey = spellings(asItIs);
  const builder = new LayerBuilder('options');
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || others.includes(name)) continue;
    const spelled = byKey.get(name);
    if (spelled !== undefined && hasSetting(program, spelled.setting)) builder.add(spelled.key, name, value, name);
    else builder.problem(unknownName('option', name, program, asItIs, others));
  }
  return settle(program, [builder.done()], asItIs);
}
