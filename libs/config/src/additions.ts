import type { SettingKey } from './declarations.js';
import type { SourceKind } from './config-error.js';
import type { ProgramName } from './setting.js';

/** Settings of a program, as far as the program has them. */
export type AnyValues = Readonly<Partial<Record<SettingKey, unknown>>>;

/** A value that switches something on. */
export function given(values: AnyValues, key: SettingKey): boolean {
  return values[key] !== undefined && values[key] !== false;
}

/** A setting that says more about another one, and nothing without it. */
export interface Addition {
  readonly key: SettingKey;
  readonly to: SettingKey;
  /** A program where `key` stands for itself. */
  readonly notIn?: ProgramName;
}

/**
 * Not in here: halves of what protects a port (a certificate and its key, the authority of client certificates). Without the other half the program must not
 * start: it would open a port that was meant to be protected. An addition comes after what it adds to.
 */
export const additions: readonly Addition[] = [
  { key: 'natsPassword', to: 'natsUser' },
  { key: 'natsPasswordFile', to: 'natsUser' },
  { key: 'adminToken', to: 'admin' },
  { key: 'adminTokenFile', to: 'admin' },
  { key: 'adminHosts', to: 'admin' },
  { key: 'decKeyFile', to: 'servables', notIn: 'agent' },
  { key: 'decMode', to: 'decKeyFile' },
];

/** Settings that say the same in several ways: of each list the first one does not go together with any other. */
export const alternatives: readonly (readonly [SettingKey, ...SettingKey[]])[] = [
  ['natsPasswordFile', 'natsPassword'],
  ['natsToken', 'natsTokenFile', 'natsUser', 'natsCreds', 'natsNkey'],
  ['natsTokenFile', 'natsUser', 'natsCreds', 'natsNkey'],
  ['natsCreds', 'natsUser', 'natsNkey'],
  ['natsNkey', 'natsUser'],
  ['adminToken', 'adminTokenFile'],
];

/** The login at NATS. */
const natsKeys: readonly SettingKey[] = [
  'natsUser',
  'natsPassword',
  'natsPasswordFile',
  'natsToken',
  'natsTokenFile',
  'natsCreds',
  'natsNkey',
  'natsTlsCa',
  'natsTlsCertificate',
  'natsTlsPrivateKey',
];

/** A setting that a variable gives and that is of no use here. */
export interface Unused {
  readonly key: SettingKey;
  /** What it would need. Undefined: nothing is missing, something else takes its place. */
  readonly needs?: SettingKey;
}

/**
 * Settings that the program is better off without: of those that variables give, the ones that are of no use to it. One environment serves several commands,
 * and a variable that is there for another one must not end this one, whatever its value. Flags, files and options are meant for the program: there the rules
 * refuse what is of no use.
 */
export function unusedVariables(values: AnyValues, sourceOf: (key: SettingKey) => SourceKind, program: ProgramName): readonly Unused[] {
  const left = { ...values };
  const unused: Unused[] = [];
  const isVariable = (key: SettingKey): boolean => given(left, key) && sourceOf(key) === 'environment';
  const leave = (one: Unused): void => {
    unused.push(one);
    left[one.key] = undefined;
  };
  if (program === 'server' && values.bus === 'memory') for (const key of natsKeys.filter(isVariable)) leave({ key });
  // A flag wins over a variable, also over one that says the same in another way
  for (const [one, ...others] of alternatives) {
    for (const other of others) {
      const [weak, strong] = isVariable(one) ? [one, other] : [other, one];
      if (isVariable(weak) && given(left, strong) && sourceOf(strong) === 'flag') leave({ key: weak });
    }
  }
  for (const { key, to, notIn } of additions) if (program !== notIn && isVariable(key) && !given(left, to)) leave({ key, needs: to });
  return unused;
}
