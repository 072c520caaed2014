import 'reflect-metadata';

/** How the text of a flag or of an environment variable becomes a value. In a config file values have their JSON type. */
export type SettingKind = 'text' | 'number' | 'yes-no' | 'list' | 'numbers';

export interface SettingOptions {
  readonly kind: SettingKind;
  /** One line for --help. */
  readonly doc: string;
  /** Not shown in messages, and better given by environment or file than by a flag. */
  readonly secret?: boolean;
}

export interface Setting extends SettingOptions {
  /** Property of the class = key in a config file, for example `maxMessageMb`. */
  readonly key: string;
  /** `--max-message-mb` */
  readonly flag: string;
  /** `MSERVE_MAX_MESSAGE_MB` */
  readonly env: string;
}

const metadataKey = Symbol('mserve.settings');

function words(key: string): string[] {
  return key
    .replace(/([A-Z]|\d+)/g, ' $1')
    .toLowerCase()
    .split(' ');
}

/** Marks a property of a configuration class as settable by flag, environment and file. Its initial value is the default. */
export function Setting(options: SettingOptions): PropertyDecorator {
  return (target, property) => {
    const key = String(property);
    const before = (Reflect.getMetadata(metadataKey, target) as Setting[] | undefined) ?? [];
    const setting: Setting = { ...options, key, flag: `--${words(key).join('-')}`, env: `MSERVE_${words(key).join('_').toUpperCase()}` };
    Reflect.defineMetadata(metadataKey, [...before.filter((one) => one.key !== key), setting], target);
  };
}

/** The settings of a configuration class, inherited ones first. */
export function settingsOf(prototype: object): readonly Setting[] {
  return (Reflect.getMetadata(metadataKey, prototype) as Setting[] | undefined) ?? [];
}
