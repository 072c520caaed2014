import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { IsArray, IsBoolean, IsInt, Max, Min } from 'class-validator';
import { ConfigError, FleetConfig, HelpRequested, loadConfig, Setting } from './index.js';

class AppConfig extends FleetConfig {
  @Setting({ kind: 'number', doc: 'largest message in MiB' })
  @IsInt()
  @Min(1)
  @Max(512)
  maxMessageMb = 100;

  @Setting({ kind: 'numbers', doc: 'devices' })
  @IsArray()
  deviceIds: number[] = [0];

  @Setting({ kind: 'yes-no', doc: 'errors with status 200' })
  @IsBoolean()
  legacyStatus200 = false;
}

function load(argv: string[], env: Record<string, string> = {}): AppConfig {
  return loadConfig(AppConfig, { argv, env, program: 'app' });
}

function file(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'mserve-config-')), 'app.json');
  writeFileSync(path, text);
  return path;
}

describe('loadConfig', () => {
  it('has defaults', () => {
    expect(load([])).toMatchObject({ nats: 'nats://127.0.0.1:4222', maxMessageMb: 100, deviceIds: [0], legacyStatus200: false });
  });

  it('takes flags over environment over file over defaults', () => {
    const path = file('{"maxMessageMb": 2, "graceMs": 5, "deviceIds": [7]}');
    const config = load(['--config', path, '--max-message-mb', '4', '--legacy-status-200'], {
      MSERVE_MAX_MESSAGE_MB: '3',
      MSERVE_GRACE_MS: '6',
      PATH: 'x',
    });
    expect(config).toMatchObject({ maxMessageMb: 4, graceMs: 6, deviceIds: [7], legacyStatus200: true });
    expect(load([], { MSERVE_CONFIG: path })).toMatchObject({ maxMessageMb: 2 });
    expect(load(['--device-ids=0,1'])).toMatchObject({ deviceIds: [0, 1] });
  });

  it('takes null in a file for left out', () => {
    expect(load(['--config', file('{"maxMessageMb": null, "natsCreds": null, "graceMs": 5}')])).toMatchObject({
      maxMessageMb: 100,
      natsCreds: undefined,
      graceMs: 5,
    });
  });

  it('passes over what Kubernetes says of services called mserve', () => {
    const links = {
      MSERVE_SERVICE_HOST: '10.0.0.1',
      MSERVE_SERVICE_PORT: '1500',
      MSERVE_SERVICE_PORT_REST: '1500',
      MSERVE_PORT: 'tcp://10.0.0.1:1500',
      MSERVE_PORT_1500_TCP: 'tcp://10.0.0.1:1500',
      MSERVE_GATEWAY_PORT_1500_TCP_PROTO: 'tcp',
      MSERVE_GATEWAY_PORT_1500_TCP_PORT: '1500',
      MSERVE_GATEWAY_PORT_1500_TCP_ADDR: '10.0.0.1',
      MSERVE_NATS_SERVICE_HOST: '10.0.0.2',
      MSERVE_NATS_PORT: 'tcp://10.0.0.2:4222',
    };
    expect(load([], links)).toEqual(load([]));
    expect(() => load([], { MSERVE_PORT: '1500' })).toThrow(/unknown environment variable 'MSERVE_PORT'/);
  });

  it.each(['nats://bus:4222', 'bus', 'nats://[::1]:65535,nats://10.0.0.1:1,other:60000'])('takes the servers %s', (nats) => {
    expect(load(['--nats', nats]).nats).toBe(nats);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a misspelt flag', () => load(['--max-mesage-mb', '3']), /unknown flag '--max-mesage-mb', did you mean '--max-message-mb'\?/],
    [
      'a misspelt variable',
      () => load([], { MSERVE_GRACEMS: '3' }),
      /unknown environment variable 'MSERVE_GRACEMS', did you mean 'MSERVE_GRACE_MS'\?/,
    ],
    [
      'a misspelt file key, with its line',
      () => load(['--config', file('{\n "natz": "x"\n}')]),
      /app\.json:2: unknown key 'natz', did you mean 'nats'\?/,
    ],
    ['a key like no other', () => load(['--qqqqqqqqqqqq', '3']), /known: --nats,/],
    ['a number that is none', () => load(['--max-message-mb', 'many']), /--max-message-mb should be a number, but is 'many'/],
    [
      'a number out of range',
      () => load(['--max-message-mb', '513']),
      /--max-message-mb: maxMessageMb must not be greater than 512, but is 513/,
    ],
    [
      'a wrong type in the file',
      () => load(['--config', file('{"graceMs": "soon"}')]),
      /app\.json: graceMs must be an integer number, but is "soon"/,
    ],
    [
      'a wrong value in the environment',
      () => load([], { MSERVE_GRACE_MS: '-1' }),
      /^MSERVE_GRACE_MS: graceMs must not be less than 0, but is -1/,
    ],
    [
      'an address that is none of NATS',
      () => load(['--nats', 'http://bus:4222']),
      /--nats: nats must be nats:\/\/HOST:PORT, .*, but is "http:\/\/bus:4222"/,
    ],
    [
      'a password in the address, which is not shown',
      () => load(['--nats', 'nats://me:secret@bus:4222']),
      /^((?!secret).)*, but is "nats:\/\/\.\.\.@bus:4222"$/,
    ],
    ...['', 'a b', 'a.>', '*', '.a', 'a..b', '$SYS', 'a\n', 'é', 'x'.repeat(201)].map((prefix): [string, () => unknown, RegExp] => [
      `the subject prefix ${JSON.stringify(prefix.slice(0, 9))}`,
      () => load([`--subject-prefix=${prefix}`]),
      /^--subject-prefix: subjectPrefix must be at most 200 letters/,
    ]),
    ['a flag where a value is due', () => load(['--nats', '--grace-ms', '5']), /^--nats needs a value$/],
    ['a number without end', () => load(['--max-message-mb', 'Infinity']), /but is Infinity$/],
    ...['nats://bus:65536', 'nats://bus:0', 'bus:x', 'nats://', '::1', 'a,,b'].map((nats): [string, () => unknown, RegExp] => [
      `the server ${nats}`,
      () => load(['--nats', nats]),
      /^--nats: nats must be nats:/,
    ]),
    ['a flag without value', () => load(['--nats']), /--nats needs a value/],
    ['a file that is no JSON', () => load(['--config', file('{\n "nats": \n')]), /app\.json(:\d)?: not JSON/],
    ['a file that is not there', () => load(['--config', '/nowhere/app.json']), /cannot read the config file/],
  ])('refuses %s', (_name, act, text) => {
    expect(act).toThrow(ConfigError);
    expect(act).toThrow(text);
  });

  it('never shows a secret', () => {
    expect(() => load(['--config', file('{"natsPassword": 12345}')])).toThrow(/app\.json: natsPassword must be a string$/);
  });

  it('explains itself', () => {
    expect(() => load(['--help'])).toThrow(HelpRequested);
    expect(() => load(['--help'])).toThrow(
      /--max-message-mb +largest message in MiB \(default: 100\)\n +env MSERVE_MAX_MESSAGE_MB, file key maxMessageMb/,
    );
  });
});
