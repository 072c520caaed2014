/** `npm run chaos -- --seed N --minutes M [--clients N]`: faults in a fleet under load, and a ledger of its requests (test/e2e/chaos.spec.ts). */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureNatsServer } from './nats-server.mjs';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    minutes: { type: 'string', default: '2' },
    clients: { type: 'string', default: '64' },
  },
});
const env = {
  ...process.env,
  NATS_SERVER: await ensureNatsServer(),
  CHAOS_SEED: values.seed,
  CHAOS_MINUTES: values.minutes,
  CHAOS_CLIENTS: values.clients,
};
const jest = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js', 'test/e2e/chaos.spec.ts'];
const cwd = dirname(dirname(fileURLToPath(import.meta.url)));
process.exitCode = spawnSync(process.execPath, jest, { cwd, env, stdio: 'inherit' }).status ?? 1;
