/** A mistake in how the command was called, or an outcome that the command reports in one sentence. `exitCode` as in docs/cli.md. */
export class CliError extends Error {
  readonly exitCode: number;

  /** @param exitCode 1 = it did not work, 2 = the command line is wrong, 78 = the configuration is wrong */
  constructor(message: string, exitCode: 1 | 2 | 78 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Exit code 1, after the command itself has printed what is wrong. */
export class Reported extends CliError {
  constructor() {
    super('');
  }
}
