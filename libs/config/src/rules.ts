import { additions, alternatives, given, type Addition, type AnyValues } from './additions.js';
import { natsServersOf } from './address.js';
import type { SettingKey } from './declarations.js';
import type { ProgramName } from './setting.js';

/** A rule over several settings. `key` is the one whose value is said to be wrong. */
interface Rule {
  readonly key: SettingKey;
  /** What is wrong, in words that follow the name of the setting; undefined when nothing is. `name` spells another setting as the operator would. */
  check(values: AnyValues, name: (key: SettingKey) => string, program: ProgramName): string | undefined;
}

/** Ways to log in at NATS. */
const logins = ['natsUser', 'natsToken', 'natsTokenFile', 'natsCreds', 'natsNkey', 'natsTlsCertificate'] as const;

/** Of these, at most one is given. */
function oneOf([key, ...others]: readonly [SettingKey, ...SettingKey[]]): Rule {
  return {
    key,
    check: (values, name) => {
      const other = others.find((one) => given(values, one));
      return given(values, key) && other !== undefined ? `does not go together with ${name(other)}` : undefined;
    },
  };
}

/** `key` is of use only together with `other`. */
function needs(key: SettingKey, other: SettingKey, notIn?: Addition['notIn']): Rule {
  return {
    key,
    check: (values, name, program) =>
      program !== notIn && given(values, key) && !given(values, other) ? `needs ${name(other)}` : undefined,
  };
}

/** A value is at most that of another setting. */
function atMost(key: SettingKey, other: SettingKey): Rule {
  return {
    key,
    check: (values, name) => {
      const [one, most] = [values[key], values[other]];
      return typeof one === 'number' && typeof most === 'number' && one > most
        ? `must be at most ${name(other)}, which is ${most}, but is ${one}`
        : undefined;
    },
  };
}

/** What has to hold between settings. A value that is wrong by itself is not looked at. */
export const rules: readonly Rule[] = [
  {
    key: 'bus',
    check: ({ bus }, _name, program) =>
      bus === 'memory' && program !== 'server'
        ? 'must be nats://HOST:PORT or tls://HOST:PORT; memory is for a server that is one process (mserve serve)'
        : undefined,
  },
  {
    key: 'bus',
    check: (values, name) => {
      const { bus } = values;
      if (typeof bus !== 'string' || bus === 'memory' || natsServersOf(bus)?.loopback !== false) return undefined;
      if (values.insecureBus === true || logins.some((key) => given(values, key))) return undefined;
      const ways = [...logins.slice(0, -1).map(name).join(', '), ' or ', name('natsTlsCertificate')].join('');
      return (
        `names a bus that other machines can reach, and there is no login: whoever reaches it could read all tensors and answer all requests. ` +
        `Give one of ${ways}, or ${name('insecureBus')} where the network itself keeps everybody else out`
      );
    },
  },
  // Node's HTTP server throws when it is otherwise
  atMost('headersTimeoutMs', 'requestTimeoutMs'),
  atMost('suspectLostMs', 'workerLostMs'),
  ...additions.map(({ key, to, notIn }) => needs(key, to, notIn)),
  ...alternatives.map(oneOf),
  needs('natsTlsCertificate', 'natsTlsPrivateKey'),
  needs('natsTlsPrivateKey', 'natsTlsCertificate'),
  needs('tlsCertificate', 'tlsPrivateKey'),
  needs('tlsPrivateKey', 'tlsCertificate'),
  needs('tlsCustomCa', 'tlsCertificate'),
  needs('tlsVerifyClient', 'tlsCertificate'),
  needs('tlsVerifyClient', 'tlsCustomCa'),
  {
    key: 'admin',
    check: (values, name) =>
      given(values, 'admin') && values.admin !== '' && !given(values, 'adminToken') && !given(values, 'adminTokenFile')
        ? `needs a bearer token: ${name('adminTokenFile')} or ${name('adminToken')}`
        : undefined,
  },
  {
    key: 'grpc',
    check: ({ rest, grpc }, name) =>
      typeof grpc === 'string' && grpc !== '' && grpc === rest && !grpc.endsWith(':0')
        ? `must not be the address of ${name('rest')}`
        : undefined,
  },
];

/**
 * Defaults that give way to what somebody set: so that one limit can be lowered without naming the other, and an access log is seen.
 * @param isDefault whether nobody gave the setting a value
 */
export function adaptedDefaults(values: AnyValues, isDefault: (key: SettingKey) => boolean): AnyValues {
  const lowered = (key: SettingKey, other: SettingKey): AnyValues => {
    const [one, most] = [values[key], values[other]];
    return isDefault(key) && typeof one === 'number' && typeof most === 'number' && one > most ? { [key]: most } : {};
  };
  const forAccessLog: AnyValues = values.accessLog === true && isDefault('logLevel') ? { logLevel: 'info' } : {};
  return { ...values, ...forAccessLog, ...lowered('headersTimeoutMs', 'requestTimeoutMs'), ...lowered('suspectLostMs', 'workerLostMs') };
}
