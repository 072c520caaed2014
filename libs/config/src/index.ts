export {
  AddressError,
  formatAddress,
  isLoopback,
  isUnspecified,
  natsServersOf,
  parseAddress,
  type Address,
  type AddressProblem,
  type NatsServers,
} from './address.js';
export { ConfigError, OutputRequested, type SettingProblem, type SourceKind } from './config-error.js';
export {
  decryptionModes,
  defaults,
  ownSettings,
  pickSettings,
  settingEntries,
  settings,
  type FleetSettings,
  type OwnSettingsOf,
  type SettingKey,
  type SettingOptionsOf,
  type SettingsOf,
} from './declarations.js';
export { boundsText, defaultText, helpText } from './help.js';
export { loadSettings, settingsOfOptions, type LoadedSettings, type SettingSources } from './load-settings.js';
export { parseServableChoice, type ServableChoice } from './servable-choice.js';
export { defaultOf, flagOf, hasSetting, variableOf, type AppName, type OwnerName, type ProgramName, type Setting } from './setting.js';
export { namedAsGiven, settingError } from './setting-error.js';
export { readKeyFile, readSettingFile, readTokenFile } from './setting-files.js';
export { allowedOf, boundsOf, placeholderOf, type Shape } from './shape.js';
export type { Origin } from './layers.js';
export type { Origins, Settled } from './settle.js';
export { parseVersionPolicy, versionPolicyRule, wantedVersions, type VersionPolicy } from './version-policy.js';
