/** Where a value came from. */
export type SourceKind = 'flag' | 'environment' | 'file' | 'options' | 'default';

/** Something that is wrong with the settings, in one sentence that names the flag, variable, file and line, or option. */
export interface SettingProblem {
  readonly source: SourceKind;
  readonly text: string;
  /** When it was found where the value of one setting is used: the setting, and the words that follow its name. */
  readonly found?: { readonly key: string; readonly words: string };
}

/** The settings are wrong. The message has one line per problem; a process should end with exit code 78 (EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  static readonly exitCode = 78;
  readonly problems: readonly SettingProblem[];

  constructor(problems: string | readonly SettingProblem[]) {
    const all = typeof problems === 'string' ? [{ source: 'default' as const, text: problems }] : problems;
    super(all.map(({ text }) => text).join('\n'));
    this.problems = all;
  }
}

/** Thrown when a program was asked to print something and to end: `--help`, `--print-config`. The message is the text, for stdout. */
export class OutputRequested extends Error {
  override readonly name = 'OutputRequested';
}
