/**
 * Jest's order of spec files: the longest first, so that no core is idle at the end. Jest itself knows how long a file takes only from its last
 * run in this folder.
 */
import Sequencer from '@jest/test-sequencer';

/** Specs that took more than fifteen seconds of a core, the longest first. The others follow in Jest's own order. */
const longest = [
  'libs/native/src/acl-backend.spec.ts',
  'libs/native/src/rank-tests.spec.ts',
  'test/e2e/distributed-faults.spec.ts',
  'test/e2e/faults/models.spec.ts',
  'test/e2e/distributed-exit-codes.spec.ts',
  'test/e2e/versions.spec.ts',
  'test/parity/kit/kit.spec.ts',
  'test/e2e/chaos.spec.ts',
  'test/e2e/fleet-command.spec.ts',
  'test/e2e/pack.spec.ts',
  'apps/device-worker/src/functions/function-process.spec.ts',
  'test/e2e/distributed.spec.ts',
  'test/e2e/faults/http.spec.ts',
  'test/e2e/faults/operations.spec.ts',
  'test/e2e/fleet.spec.ts',
  'test/batching/conformance.spec.ts',
  'test/e2e/hot-reload.spec.ts',
  'test/e2e/cli.spec.ts',
  'test/e2e/large-bodies.spec.ts',
  'test/e2e/ascend.spec.ts',
  'test/e2e/distributed-hosts.spec.ts',
  'test/e2e/faults/grpc.spec.ts',
  'test/e2e/client.spec.ts',
  'test/e2e/dashboard.spec.ts',
  'test/e2e/distributed-fleet.spec.ts',
  'test/e2e/faults/json.spec.ts',
  'test/parity/examples/examples.spec.ts',
  'test/e2e/authoring.spec.ts',
  'test/batching/no-leak.spec.ts',
  'test/e2e/hostile-models.spec.ts',
  'test/parity/onnx-node/onnx-node.spec.ts',
];

const rank = ({ path }) => {
  const at = longest.findIndex((name) => path.endsWith(name));
  return at === -1 ? longest.length : at;
};

export default class LongestFirst extends Sequencer {
  sort(tests) {
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
}
