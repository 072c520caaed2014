import type { ServableDeclaration } from '@mserve/register';

/** What is wrong with a servable on disk, for its operator: the text may name directories and files, so it never goes to a client. */
export class ServableConfigError extends Error {
  override readonly name = 'ServableConfigError';
  readonly servable: string;
  /** The message without the place. */
  readonly text: string;
  /** The author's file, relative to the servable's directory, where that is known. */
  readonly file: string | undefined;
  readonly line: number | undefined;
  /** What the config declares besides, as far as it came. */
  readonly declared: ServableDeclaration | undefined;
  /** Everything that was found wrong, this error's own text first; one entry per problem. */
  readonly problems: readonly ServableConfigError[];

  constructor(servable: string, message: string, file?: string, line?: number) {
    super(file === undefined ? message : `${message} (${file}${line === undefined ? '' : `:${line}`})`);
    this.servable = servable;
    this.text = message;
    this.file = file;
    this.line = line;
    this.problems = [this];
    this.declared = undefined;
  }

  /** The same, with a file for the problems of which nobody knows the place: a config that hangs, exits or throws something without a stack. */
  inFile(file: string): ServableConfigError {
    return ServableConfigError.ofAll(
      this.problems.map((problem) =>
        problem.file === undefined ? new ServableConfigError(problem.servable, problem.message, file) : problem,
      ),
      this.declared,
    );
  }

  /** The same, of files that are relative to a folder of the servable. */
  below(folder: string): ServableConfigError {
    return ServableConfigError.ofAll(
      this.problems.map(({ servable, text, file, line }) =>
        file === undefined ? new ServableConfigError(servable, text) : new ServableConfigError(servable, text, `${folder}/${file}`, line),
      ),
      this.declared,
    );
  }

  /** One error for several: their texts, one a line. `problems` must not be empty. */
  static ofAll(problems: readonly ServableConfigError[], declared?: ServableDeclaration): ServableConfigError {
    const [first = new ServableConfigError('', 'unknown problem')] = problems;
    if (problems.length <= 1) return Object.assign(first, { declared });
    const whole = new ServableConfigError(first.servable, problems.map(({ message }) => message).join('\n'));
    return Object.assign(whole, { file: first.file, line: first.line, problems, declared });
  }
}

/** The servable's directory or its config file is not there, may not be looked at, or leads elsewhere: there is nothing else to look at. */
export class ServableDirectoryError extends ServableConfigError {
  constructor(servable: string, what: string) {
    super(servable, `Check servable config failed, ${what}`);
  }
}
