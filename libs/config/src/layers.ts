import { nearest } from '@mserve/wire';
import { settingEntries, type SettingKey } from './declarations.js';
import { ConfigError, type SettingProblem, type SourceKind } from './config-error.js';
import { hasSetting, type ProgramName, type Setting } from './setting.js';

/** Where a value came from. `name` is how messages call the setting there: `--rest`, `MSERVE_REST`, `mserve.yaml:3: rest`. */
export interface Origin {
  readonly source: SourceKind;
  readonly name: string;
}

/** What one source says of a setting. */
export interface GivenValue {
  readonly value: unknown;
  readonly origin: Origin;
}

/** What one source says. */
export type Layer = ReadonlyMap<SettingKey, GivenValue>;

/** A setting, under one of its spellings. */
export interface Spelled {
  readonly key: SettingKey;
  readonly setting: Setting;
}

/** The settings by every spelling of them, aliases included. */
export function spellings(spell: (key: string) => string): ReadonlyMap<string, Spelled> {
  return new Map(
    settingEntries.flatMap(([key, setting]) => [key, ...(setting.aliases ?? [])].map((name) => [spell(name), { key, setting }] as const)),
  );
}

/** `unknown flag '--rset', did you mean '--rest'?` `others` are known names that are no settings. */
export function unknownName(
  what: string,
  name: string,
  program: ProgramName,
  spell: (key: string) => string,
  others: readonly string[],
): string {
  const known = [...spellings(spell)].filter(([, { setting }]) => hasSetting(program, setting)).map(([spelled]) => spelled);
  const close = nearest(name, [...known, ...others]);
  return `unknown ${what} '${name}'${close === undefined ? ' (--help lists all that are known)' : `, did you mean '${close}'?`}`;
}

/** Collects what a source says; a setting that the source gives under two of its spellings is a problem. */
export class LayerBuilder {
  readonly layer = new Map<SettingKey, GivenValue>();
  readonly problems: SettingProblem[] = [];
  private readonly spelledAs = new Map<SettingKey, string>();

  constructor(private readonly source: SourceKind) {}

  /** @param spelled the spelling that the source uses @param name see {@link Origin} */
  add(key: SettingKey, spelled: string, value: unknown, name: string): void {
    const before = this.spelledAs.get(key);
    if (before !== undefined && before !== spelled) this.problem(`${name} and ${before} are one setting: give one of them`);
    this.spelledAs.set(key, spelled);
    this.layer.set(key, { value, origin: { source: this.source, name } });
  }

  problem(text: string): void {
    this.problems.push({ source: this.source, text });
  }

  /** Throws {@link ConfigError} when there were problems. */
  done(): Layer {
    if (this.problems.length > 0) throw new ConfigError(this.problems);
    return this.layer;
  }
}
