import { settingEntries } from './declarations.js';
import { commonSwitches, type FlagOptions } from './flags.js';
import { defaultOf, flagOf, hasSetting, variableOf, type ProgramName, type Setting } from './setting.js';
import { placeholderOf } from './shape.js';

/** A default in words: `100`, `0,1`, `only when REST is on loopback`; undefined when there is nothing to say. */
export function defaultText(program: ProgramName, setting: Setting): string | undefined {
  const value = defaultOf(program, setting);
  if (value === undefined) return setting.otherwise;
  return Array.isArray(value) ? value.join(',') : String(value);
}

/** Unit and bounds: `1 to 512 MiB`, `debug, info or warn`; undefined when the documentation line says enough. */
export function boundsText({ shape, unit }: Setting): string | undefined {
  switch (shape.kind) {
    case 'whole':
    case 'number':
    case 'wholes':
      return `${shape.min} to ${shape.max}${unit === undefined ? '' : ` ${unit}`}`;
    case 'choice':
      return shape.choices.join(', ');
    default:
      return undefined;
  }
}

const flagWidth = 32;

/** What `--help` prints. */
export function helpText(options: FlagOptions & { readonly usage: string }): string {
  const { program, usage } = options;
  const rows = settingEntries
    .filter(([, setting]) => hasSetting(program, setting))
    .map(([key, setting]) => {
      const flag = `${flagOf(key)} ${placeholderOf(setting.shape)}`.trimEnd();
      const bounds = boundsText(setting);
      const value = defaultText(program, setting);
      const aliases = (setting.aliases ?? []).map(flagOf).join(', ');
      const facts = [setting.doc, ...(bounds === undefined ? [] : [bounds])].join('; ');
      return [
        `  ${flag.padEnd(flagWidth)} ${facts}${value === undefined ? '' : ` (default: ${value})`}`,
        `  ${''.padEnd(flagWidth)} env ${variableOf(key)}, file key ${key}${aliases === '' ? '' : `; also ${aliases}`}`,
      ].join('\n');
    });
  const switches = [...(options.switches ?? []), ...commonSwitches].map(({ flag, doc }) => `  ${flag.padEnd(flagWidth)} ${doc}`);
  return [
    `Usage: ${usage} [flags]`,
    '',
    'Flags come before environment variables, these before the config file, this before defaults. --no-FLAG says no where a flag has no value.',
    '',
    `  ${'--config PATH'.padEnd(flagWidth)} a YAML or JSON file with the same settings (env MSERVE_CONFIG)`,
    ...switches,
    '',
    ...rows,
  ].join('\n');
}
