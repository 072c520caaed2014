import { ConfigError, type SettingProblem } from './config-error.js';
import type { SettingKey } from './declarations.js';
import type { Origin } from './layers.js';
import { flagOf } from './setting.js';

/** What is wrong with the value of a setting, found where it is used: the file that it names, say. The text calls the setting by its flag. */
export function settingError(key: SettingKey, words: string): ConfigError {
  return new ConfigError([{ source: 'default', text: `${flagOf(key)}: ${words}`, found: { key, words } }]);
}

/** The same error with settings called as they were given: by variable, by file and line, by option. What is no ConfigError stays as it is. */
export function namedAsGiven(error: unknown, origins: Readonly<Partial<Record<string, Origin>>>): unknown {
  if (!(error instanceof ConfigError)) return error;
  const named = ({ source, text, found }: SettingProblem): SettingProblem => {
    const origin = found && origins[found.key];
    return found === undefined || origin === undefined ? { source, text } : { source, text: `${origin.name}: ${found.words}`, found };
  };
  return new ConfigError(error.problems.map(named));
}
