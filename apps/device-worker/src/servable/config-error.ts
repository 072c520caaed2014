/** What is wrong with a servable on disk, for its operator: the text may name directories and files, so it never goes to a client. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly servable: string;
  /** The author's file, relative to the servable's directory, where that is known. */
  readonly file: string | undefined;
  readonly line: number | undefined;

  constructor(servable: string, message: string, file?: string, line?: number) {
    super(file === undefined ? message : `${message} (${file}${line === undefined ? '' : `:${line}`})`);
    this.servable = servable;
    this.file = file;
    this.line = line;
  }
}
