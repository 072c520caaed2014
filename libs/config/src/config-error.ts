/** The configuration is wrong. The message says which key, where it came from and what is allowed; the process should end with exit code 78 (EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  static readonly exitCode = 78;
}

/** Thrown when --help was asked for: the message is the help text. */
export class HelpRequested extends Error {
  override readonly name = 'HelpRequested';
}
