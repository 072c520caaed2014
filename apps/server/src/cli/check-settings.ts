import { ConfigError, loadSettings, namedAsGiven, type Origins, type SettingsOf } from '@mserve/config';
import { workerOptionsOf } from '@mserve/device-worker';
import { gatewayOptionsOf } from '@mserve/gateway';

/** What is said about a config file. */
export interface CheckedSettings {
  readonly file: string;
  /** No problems: `mserve serve --config FILE` takes it. */
  readonly ok: boolean;
  readonly problems: readonly string[];
}

/** A config file with what it says, where it can be used. */
export interface SettingsCheck {
  readonly report: CheckedSettings;
  readonly settings: SettingsOf<'server'> | undefined;
  /** Whether the file says where the servables are. */
  readonly namesDirectory: boolean;
}

/** Looks at a config file as `mserve serve --config FILE` would, and at the files that it names. No flag and no variable counts. */
export async function checkSettings(file: string): Promise<SettingsCheck> {
  try {
    const { settings, origins } = await loadSettings({ program: 'server', usage: '', argv: ['--config', file], env: {} });
    const problems = [() => gatewayOptionsOf(settings), () => workerOptionsOf(settings)].flatMap((work) => problemsOf(work, origins));
    const report = { file, ok: problems.length === 0, problems };
    return { report, settings, namesDirectory: origins['directory']?.source === 'file' };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { report: { file, ok: false, problems: error.problems.map(({ text }) => text) }, settings: undefined, namesDirectory: false };
  }
}

function problemsOf(work: () => unknown, origins: Origins): string[] {
  try {
    work();
    return [];
  } catch (thrown) {
    const error = namedAsGiven(thrown, origins);
    if (error instanceof ConfigError) return error.problems.map(({ text }) => text);
    throw error;
  }
}

/** One line, or one per problem. */
export function settingsText({ file, ok, problems }: CheckedSettings): string {
  if (ok) return `✓ ${file}`;
  const found = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [`✗ ${file}: ${found}`, ...problems.map((problem) => `  ${problem}`)].join('\n');
}
