import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { ConfigError, settingEntries, settings, settingsOfOptions, type Setting } from '@mserve/config';
import { workerOptionsOf } from '@mserve/device-worker';
import { gatewayOptionsOf } from '@mserve/gateway';
import { schedulerOptionsOf } from '@mserve/scheduler';
import { hasOpenssl, TestAuthority } from '../../../test/support/test-authority.js';
import { startServer, type ServerOptions } from './server.js';

/** A server's options are the settings of the three apps, and each of them gets there. */

const folder = mkdtempSync(join(tmpdir(), 'mserve-options-'));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

/** Certificates are checked when options are read: these are real ones. */
const authority = hasOpenssl ? new TestAuthority() : undefined;
afterAll(() => authority?.remove());
const issued = authority?.issue('server');
const tls = { tlsCertificate: issued?.certificateFile, tlsPrivateKey: issued?.privateKeyFile, tlsCustomCa: authority?.file };
const { tlsCertificate, tlsPrivateKey } = tls;

/** What a setting needs beside it, and values where any other allowed one would not do. */
const beside: Partial<Record<keyof typeof settings, ServerOptions>> = {
  tlsCertificate: { tlsPrivateKey },
  tlsPrivateKey: { tlsCertificate },
  tlsCustomCa: { tlsCertificate, tlsPrivateKey },
  tlsVerifyClient: tls,
  admin: { adminToken: 'k'.repeat(16) },
  adminTokenFile: { admin: 'h:2' },
  adminToken: { admin: 'h:2' },
  adminHosts: { admin: 'h:2', adminToken: 'k'.repeat(16) },
  accessOpen: { accessFile: file('clients', '{"clients":[]}') },
  decKeyFile: { servables: ['kit'] },
  decMode: { servables: ['kit'], decKeyFile: file('key', 'k'.repeat(16)) },
};
const values: Partial<Record<keyof typeof settings, unknown>> = {
  ...tls,
  rest: 'h:1',
  grpc: 'unix:x',
  admin: 'h:2',
  adminToken: 'o'.repeat(16),
  adminHosts: 'name',
  docsHosts: 'name',
  accessFile: file('clients', '{"clients":[]}'),
  corsOrigins: 'https://app.example',
  modelControlMode: 'explicit',
  versionPolicy: 'all',
  deviceOptions: 'key=value',
  cpuFallback: 'allow',
  operatorLibraries: ['a.so'],
  servables: ['a'],
  mixedModels: 'kit',
  provider: 'cuda',
  deviceIds: [1],
  decMode: 'AES-CBC',
};

/** What is not allowed beside them without them. */
const alone: readonly string[] = ['tlsCertificate', 'tlsPrivateKey', 'admin', 'adminToken', 'adminTokenFile'];

/** An allowed value that is not the default. */
function otherValue({ shape, default: ofApp, serverDefault: byDefault = ofApp }: Setting): unknown {
  if (shape.kind === 'yes-no') return byDefault !== true;
  if (shape.kind === 'whole' || shape.kind === 'number') return byDefault === shape.min ? shape.min + 1 : shape.min;
  if (shape.kind === 'choice') return shape.choices.find((one) => one !== byDefault);
  return file('other', 'o'.repeat(32));
}

async function optionsFor(options: ServerOptions): Promise<unknown> {
  const { settings: settled } = await settingsOfOptions('server', options);
  return [gatewayOptionsOf(settled), schedulerOptionsOf(settled), workerOptionsOf(settled)];
}

describe('every setting of one app', () => {
  // Those that are for an app on its own are no options of the server
  const ofOneApp = settingEntries.filter(
    ([, { apps, alone: isAlone }]) => isAlone !== true && apps.filter((app) => app !== 'agent').length === 1,
  );
  const needsCertificate = (key: string): boolean => key.startsWith('tls') && !hasOpenssl;
  for (const [key] of ofOneApp.filter(([name]) => needsCertificate(name)))
    it.skip(`${key} gets to it (skipped: there is no command openssl of version 3)`, () => undefined);

  it.each(ofOneApp.filter(([key]) => !needsCertificate(key)))('%s gets to it', async (key, setting) => {
    const others = beside[key] ?? {};
    const value = values[key] ?? otherValue(setting);
    expect(await optionsFor({ ...others, [key]: value })).not.toEqual(
      // Of two settings that go together, neither is taken alone
      await optionsFor(alone.includes(key) ? {} : others),
    );
  });
});

describe('startServer', () => {
  it.each<[string, object, RegExp]>([
    ['a misspelt option', { maxMsgMbSise: 3 }, /^unknown option 'maxMsgMbSise', did you mean 'maxMsgMbSize'\?$/],
    ['a value that is not allowed', { requestTimeoutMs: 0 }, /^requestTimeoutMs must be a whole number from 1 to 86400000, but is 0$/],
    ['options that do not go together', { tlsVerifyClient: true }, /^tlsVerifyClient needs tlsCertificate$/m],
    ['a key for no servable', { key: { key: new Uint8Array(16) } }, /^key needs servables/],
  ])('refuses %s before anything runs', async (_name, options, text) => {
    const starting = startServer({ directory: folder, ...options });
    await expect(starting).rejects.toThrow(ConfigError);
    await expect(starting).rejects.toThrow(text);
  });
});
