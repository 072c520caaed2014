import { settingEntries, type SettingKey } from './declarations.js';
import type { Origins } from './settle.js';

/** What `--print-config` prints: a config file that gives the same settings, with the place where each value came from. Secrets are left out. */
export function printedSettings(values: Readonly<Partial<Record<SettingKey, unknown>>>, origins: Origins): string {
  const lines = settingEntries
    .filter(([key]) => key in values)
    .map(([key, { secret }]): [line: string, from: string] => {
      const value = values[key];
      const origin = origins[key];
      const from = origin === undefined || origin.source === 'default' ? 'default' : origin.name.replace(/: \w+$/, '');
      if (value === undefined) return [`# ${key}:`, 'not set'];
      return [secret === true ? `# ${key}: (not shown)` : `${key}: ${JSON.stringify(value)}`, from];
    });
  const width = Math.max(...lines.map(([line]) => line.length));
  return lines.map(([line, from]) => `${line.padEnd(width)}  # ${from}`).join('\n');
}
