import { parseServableChoice } from '@mserve/config';
import type { ModelKey } from '../model-file.js';
import { CliError, Reported } from '../cli-error.js';
import { readKey, type KeyFlags } from './key.js';
import { print } from './text.js';

/** Flags of `mserve check`, as they are given. */
export interface CheckCommandFlags extends KeyFlags {
  readonly servable?: readonly string[];
  readonly config?: string;
  readonly linkRoot?: string;
  readonly operatorLibraries?: readonly string[];
  readonly json: boolean;
}

/** `mserve check [DIR] [--config FILE]`: prints what is wrong with a config file, and with the servables of DIR or of the directory that the file names. */
export async function checkCommand(directory: string | undefined, flags: CheckCommandFlags): Promise<void> {
  if (directory === undefined && flags.config === undefined)
    throw new CliError('there is nothing to check: give DIR, --config FILE or both (add --help for what is allowed)', 2);
  const key = readKey(flags);
  if (key !== undefined && flags.servable === undefined)
    throw new CliError('--dec-key-file needs --servable: the servables that the key is for', 2);
  const { check, checkText, passedOver } = await import('./check.js');
  const { checkSettings, settingsText } = await import('./check-settings.js');
  const ofFile = flags.config === undefined ? undefined : await checkSettings(flags.config);
  const where = directory ?? (ofFile?.namesDirectory === true ? ofFile.settings?.directory : undefined);
  const named = ofFile?.settings?.servables?.map((text) => parseServableChoice(text)?.name ?? text);
  const keyOfFile = ofFile?.report.ok === true ? keyIn(ofFile.settings) : undefined;
  const servables =
    where === undefined
      ? []
      : await check(where, {
          servable: flags.servable ?? named,
          key: key ?? keyOfFile,
          linkRoot: flags.linkRoot ?? ofFile?.settings?.linkRoot,
          operatorLibraries: flags.operatorLibraries ?? ofFile?.settings?.operatorLibraries,
        });
  const others = where === undefined || (flags.servable ?? named) !== undefined ? [] : passedOver(where);
  const ok = ofFile?.report.ok !== false && servables.every((servable) => servable.ok);
  const texts = [
    ...(ofFile === undefined ? [] : [settingsText(ofFile.report)]),
    ...(where === undefined ? [] : [checkText(servables)]),
    ...others,
  ];
  print(flags.json, { ok, settings: ofFile?.report, servables, passedOver: others }, texts.join('\n'));
  if (!ok) throw new Reported();
}

function keyIn(
  settings: { readonly decKeyFile: string | undefined; readonly decMode: ModelKey['mode'] } | undefined,
): ModelKey | undefined {
  return settings?.decKeyFile === undefined ? undefined : readKey({ decKeyFile: settings.decKeyFile, decMode: settings.decMode });
}
