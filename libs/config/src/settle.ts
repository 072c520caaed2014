import { ConfigError, type SettingProblem } from './config-error.js';
import { settingEntries, settings, type SettingKey, type SettingsOf } from './declarations.js';
import type { GivenValue, Layer, Origin } from './layers.js';
import { unusedVariables } from './additions.js';
import { adaptedDefaults, rules } from './rules.js';
import { defaultOf, hasSetting, type ProgramName } from './setting.js';
import { allowedOf } from './shape.js';

/** Where the value of each setting came from. */
export type Origins = Readonly<Record<string, Origin>>;

export interface Settled<Program extends ProgramName> {
  readonly settings: SettingsOf<Program>;
  readonly origins: Origins;
  /** Variables that are of no use to the program without another setting, a sentence for each: a warning in its log, once. */
  readonly unused: readonly string[];
}

/** A value in a message. Credentials inside of an address are not shown. */
function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  return (JSON.stringify(value) ?? String(value)).replaceAll(/(\/\/|")[^/@"]*@/g, '$1...@');
}

/**
 * The settings of a program from what its sources say, the strongest source first, over the defaults. `spell` is how a setting is called that no source
 * gives. Variables that are of no use to the program are passed over, see {@link unusedVariables}. Throws {@link ConfigError} with everything that is wrong:
 * values that are not allowed, and settings that do not go together.
 */
export async function settle<Program extends ProgramName>(
  program: Program,
  layers: readonly Layer[],
  spell: (key: string) => string,
): Promise<Settled<Program>> {
  const { wrongKeys } = await import('./check-values.js');
  const values: Partial<Record<SettingKey, unknown>> = {};
  const given = new Map<SettingKey, GivenValue>();
  for (const [key, setting] of settingEntries) {
    if (!hasSetting(program, setting)) continue;
    const one = layers.map((layer) => layer.get(key)).find((entry) => entry !== undefined);
    if (one !== undefined) given.set(key, one);
    values[key] = one === undefined ? defaultOf(program, setting) : one.value;
  }
  const originOf = (key: SettingKey): Origin => given.get(key)?.origin ?? { source: 'default', name: spell(key) };
  const unused: string[] = [];
  for (const { key, needs } of unusedVariables(values, (one) => originOf(one).source, program)) {
    if (needs !== undefined) unused.push(`${originOf(key).name} is not used here: it needs ${spell(needs)}`);
    values[key] = defaultOf(program, settings[key]);
    given.delete(key);
  }
  const wrong = wrongKeys(values);
  const problems: SettingProblem[] = [...wrong].map((key) => {
    const { source, name } = originOf(key);
    const but = settings[key].secret === true ? '' : `, but is ${shown(values[key])}`;
    return { source, text: `${name} must be ${allowedOf(settings[key].shape)}${but}` };
  });
  const settled = adaptedDefaults(values, (key) => !given.has(key));
  const sound = Object.fromEntries(Object.entries(settled).filter(([key]) => !wrong.has(key as SettingKey)));
  for (const { key, check } of rules) {
    const { source, name } = originOf(key);
    const problem = wrong.has(key) ? undefined : check(sound, (other) => originOf(other).name, program);
    if (problem !== undefined) problems.push({ source, text: `${name} ${problem}` });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const origins = Object.fromEntries((Object.keys(values) as SettingKey[]).map((key) => [key, originOf(key)]));
  // The check above is what makes it so
  return { settings: settled as SettingsOf<Program>, origins, unused };
}
