/** What is wrong with a servable on disk, for its operator: the text may name directories and files, so it never goes to a client. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly servable: string;
  /** The author's file, relative to the servable's directory, where that is known. */
  readonly file: string | undefined;
  readonly line: number | undefined;
  /** Everything that was found wrong, this error's own text first; one entry per problem. */
  readonly problems: readonly ConfigError[];

  constructor(servable: string, message: string, file?: string, line?: number) {
    super(file === undefined ? message : `${message} (${file}${line === undefined ? '' : `:${line}`})`);
    this.servable = servable;
    this.file = file;
    this.line = line;
    this.problems = [this];
  }

  /** The same, with a file for the problems of which nobody knows the place: a config that hangs, exits or throws something without a stack. */
  inFile(file: string): ConfigError {
    return ConfigError.ofAll(this.problems.map((problem) => (problem.file === undefined ? new ConfigError(problem.servable, problem.message, file) : problem)));
  }

  /** One error for several: their texts, one a line. `problems` must not be empty. */
  static ofAll(problems: readonly ConfigError[]): ConfigError {
    const [first] = problems;
    if (first === undefined || problems.length === 1) return first ?? new ConfigError('', 'unknown problem');
    const whole = new ConfigError(first.servable, problems.map(({ message }) => message).join('\n'));
    return Object.assign(whole, { file: first.file, line: first.line, problems });
  }
}
