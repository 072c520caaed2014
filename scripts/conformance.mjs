/**
 * `npm run conformance`: every node conformance case of PyPI's `onnx` that Session passes, as a servable, over OIP gRPC, REST binary and REST JSON. Takes
 * a few minutes; shows how far it is, in the end a table with each failure. Exit code 0 when nothing failed. Needs python3 with venv and pip.
 */
import { spawnSync } from 'node:child_process';
import { fail, root, setUp } from './setup.mjs';

try {
  await setUp();
} catch (error) {
  fail(error.message);
}
const jest = ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
const spec = 'test/parity/onnx-node/served-cases.spec.ts';
const env = { ...process.env, CONFORMANCE: 'all' };
const { status } = spawnSync(process.execPath, [...jest, spec, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit', env });
process.exit(status ?? 1);
