import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command } from '../../support/command.js';
import { startFleet, type Fleet } from '../../support/fleet.js';
import { startNatsServer, type NatsServer } from '../../support/nats-server.js';
import { hasPython } from '../../support/python.js';
import { root, serveDirectory, type ServerAddresses } from '../../support/running-process.js';
import { servableDirectory, type ServableDirectory } from '../../support/servables.js';
import { upstreamClient, type UpstreamClient } from '../../support/upstream-client.js';

/**
 * The conformance kit: 153 exchanges recorded from the original server, over REST, raw gRPC and the original's own Python client, played against mserve.
 * The kit is no part of the repository; it lies in ../shared/kit beside a maintainer's checkout. Error texts are compared letter by letter.
 */

const kit = join(root, '../shared/kit');
const missing = !existsSync(join(kit, 'runner.py'))
  ? 'there is no ../shared/kit beside the project'
  : !hasPython()
    ? 'there is no python3 with venv on this machine'
    : undefined;
const expected = 153;

/** What the runner said last, for example `153 passed, 0 failed`; with every failed case when there are some. */
async function playKit(client: UpstreamClient, server: ServerAddresses, ...flags: string[]): Promise<string> {
  const args = [
    join(kit, 'runner.py'),
    join(kit, 'open/cases.json'),
    '--rest',
    server.rest,
    '--grpc',
    server.grpc,
    '--errors',
    'exact',
    ...flags,
  ];
  const { stdout, stderr } = await command(client.python, args, { MS_CLIENT: client.path, PYTHONDONTWRITEBYTECODE: '1' });
  const result = /(\d+ passed, \d+ failed), [\d.]+ s\s*$/.exec(stdout)?.[1];
  return result === `${expected} passed, 0 failed` ? result : `${stdout}\n${stderr}`;
}

/** A servable directory with the kit's servable over its MindIR models, instead of the ONNX models that are in the repository. */
function mindirServable(): ServableDirectory {
  const directory = servableDirectory();
  for (const version of ['1', '2']) {
    mkdirSync(join(directory.path, 'kit', version), { recursive: true });
    const models = join(kit, 'servable/mindir', version);
    for (const file of readdirSync(models)) copyFileSync(join(models, file), join(directory.path, 'kit', version, file));
  }
  for (const file of ['servable_config.ts', 'format-g.ts'])
    cpSync(join(root, 'test/parity/kit-servable/kit', file), join(directory.path, 'kit', file));
  return directory;
}

(missing === undefined ? describe : describe.skip)(`the conformance kit${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let client: UpstreamClient;
  beforeAll(() => {
    client = upstreamClient();
  }, 600_000);

  describe.each(['ONNX', 'MindIR'])('with %s models', (format) => {
    const versions = ['kit:1', 'kit:2'];
    const passed = `${expected} passed, 0 failed`;
    let directory: string;
    let copy: ServableDirectory | undefined;
    beforeAll(() => {
      copy = format === 'MindIR' ? mindirServable() : undefined;
      directory = copy?.path ?? 'test/parity/kit-servable';
    });
    afterAll(() => copy?.remove());

    const modes: [string, string[], string[]][] = [
      ['true HTTP codes', ['--legacy-json-numbers'], ['--http-errors', '4xx']],
      ['always 200, as the original', ['--legacy-status-200', '--legacy-json-numbers'], []],
    ];

    it.each(modes)(
      'embedded: %s',
      async (_name, serverFlags, runnerFlags) => {
        const server = await serveDirectory(directory, [
          '--max-msg-mb',
          '4',
          ...versions.flatMap((version) => ['--servable', version]),
          ...serverFlags,
        ]);
        try {
          expect(await playKit(client, server, ...runnerFlags)).toBe(passed);
        } finally {
          await server.stop();
        }
      },
      120_000,
    );

    it.each(modes)(
      'a fleet of a gateway, a scheduler and two device-workers: %s',
      async (_name, gatewayFlags, runnerFlags) => {
        let nats: NatsServer | undefined;
        let fleet: Fleet | undefined;
        try {
          nats = await startNatsServer();
          const models = ['kit.passthrough/versions/1', 'kit.passthrough/versions/2'];
          const flags = { gateway: ['--max-message-mb', '4', ...gatewayFlags], worker: ['--servables', versions.join(',')] };
          fleet = await startFleet(nats.url, directory, models, ['worker-0', 'gateway-0', 'worker-1', 'scheduler'], flags);
          expect(await playKit(client, fleet.gateways[0] as ServerAddresses, ...runnerFlags)).toBe(passed);
        } finally {
          await fleet?.stop();
          await nats?.stop();
        }
      },
      180_000,
    );
  });
});
