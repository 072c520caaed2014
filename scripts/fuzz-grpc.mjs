/** npm run fuzz-grpc [-- --seconds N --seed N]: damaged requests to both gRPC services of a server, for ten minutes by default (test/e2e/grpc-fuzz.spec.ts). */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) } },
});
console.log(`seed ${values.seed}`);
const env = { ...process.env, GRPC_FUZZ_SECONDS: values.seconds, GRPC_FUZZ_SEED: values.seed };
const { status } = spawnSync('npm', ['run', 'jest', '--', 'test/e2e/grpc-fuzz.spec.ts'], { stdio: 'inherit', env });
process.exitCode = status ?? 1;
