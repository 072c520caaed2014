import type { Shape, ShapeOf } from './shape.js';

/** The rooms that are processes of their own in a fleet. */
export type AppName = 'gateway' | 'scheduler' | 'device-worker' | 'agent';

/** What a setting is for: an app, or `mserve fleet`, which starts apps. */
export type OwnerName = AppName | 'fleet';

/**
 * A program that has settings. `server` is all apps together (`mserve serve`, `startServer`) and has the settings of each, except those that differ between its agents.
 * `fleet` (`mserve fleet`) has its own, and those of the gateways, schedulers and device-workers that it starts.
 */
export type ProgramName = OwnerName | 'server';

interface SettingFacts<App extends OwnerName> {
  /** One line for `--help` and the tables, without unit, bounds and default. */
  readonly doc: string;
  /** Who has the setting. The server has it too, and `mserve fleet`. */
  readonly apps: readonly App[];
  /** The server does not have it: its agents differ in it, or it has no use for it. */
  readonly alone?: boolean;
  /** `mserve fleet` does not have it: it decides it for its processes, or has no use for it. */
  readonly notInFleet?: boolean;
  /** Other spellings, as keys. Each is a flag, a variable and a file key too. */
  readonly aliases?: readonly string[];
  readonly unit?: 'ms' | 'MiB' | 'bytes/s';
  /** Not shown in messages and by `--print-config`. It belongs into the environment or a file, not on a command line. */
  readonly secret?: boolean;
  /** What holds without a value, in words. For settings without a default value. */
  readonly otherwise?: string;
}

/** One declared setting. Its key in {@link settings} is its name; flag, variable and file key are spelled after that. */
export interface Setting<Value = unknown, App extends OwnerName = OwnerName> extends SettingFacts<App> {
  readonly shape: Shape;
  readonly default: Value;
  /** The default of the server, where it differs. */
  readonly serverDefault?: Value;
  /** The default of `mserve fleet`, where it differs from that of the apps. */
  readonly fleetDefault?: Value;
}

/** Declares a setting that has a default. */
export function setting<Value, const App extends OwnerName>(
  shape: ShapeOf<Value>,
  facts: SettingFacts<App> & {
    readonly default: NoInfer<Value>;
    readonly serverDefault?: NoInfer<Value>;
    readonly fleetDefault?: NoInfer<Value>;
  },
): Setting<Value, App> {
  return { ...facts, shape };
}

/** Declares a setting that may have no value. */
export function optional<Value, const App extends OwnerName>(
  shape: ShapeOf<Value>,
  facts: SettingFacts<App>,
): Setting<Value | undefined, App> {
  return { ...facts, shape, default: undefined };
}

function words(key: string): string[] {
  return key
    .replace(/([A-Z]|\d+)/g, ' $1')
    .toLowerCase()
    .split(' ');
}

/** `maxMsgMbSize` as a flag: `--max-msg-mb-size`. */
export function flagOf(key: string): string {
  return `--${words(key).join('-')}`;
}

/** `maxMsgMbSize` as a variable: `MSERVE_MAX_MSG_MB_SIZE`. */
export function variableOf(key: string): string {
  return `MSERVE_${words(key).join('_').toUpperCase()}`;
}

/** Whether a program has a setting. */
export function hasSetting(program: ProgramName, { apps, alone, notInFleet }: Setting): boolean {
  if (program === 'server') return alone !== true;
  return apps.includes(program) || (program === 'fleet' && notInFleet !== true && apps.some((app) => app !== 'agent'));
}

/** The value of a setting that nobody gives. */
export function defaultOf(program: ProgramName, { default: ours, serverDefault, fleetDefault }: Setting): unknown {
  if (program === 'fleet') return fleetDefault ?? ours;
  return program === 'server' ? (serverDefault ?? ours) : ours;
}
