/**
 * Jest's order of spec files: the longest first, so that no core is idle at the end. Jest itself knows how long a file takes only from its last
 * run in this folder.
 */
import Sequencer from '@jest/test-sequencer';

/** Specs that took more than fifteen seconds of a core, the longest first. The others follow in Jest's own order. */
const longest = [
  'libs/native/src/slab-tests.spec.ts',
  'test/parity/kit/kit.spec.ts',
  'libs/bus/src/nats/nats-bus.spec.ts',
  'libs/native/src/rank-tests.spec.ts',
  'test/e2e/distributed-faults.spec.ts',
  'test/batching/conformance.spec.ts',
  'test/e2e/fleet-command.spec.ts',
  'test/e2e/versions.spec.ts',
  'test/e2e/fleet-hosts.spec.ts',
  'test/e2e/distributed-hosts.spec.ts',
  'test/e2e/pack.spec.ts',
  'libs/native/src/acl-backend.spec.ts',
  'test/parity/clients/tritonclient.spec.ts',
  'apps/device-worker/src/functions/function-process.spec.ts',
  'test/e2e/faults/http.spec.ts',
  'test/e2e/faults/models.spec.ts',
  'test/e2e/chaos.spec.ts',
  'test/e2e/fleet.spec.ts',
  'test/e2e/cli.spec.ts',
  'test/e2e/ascend.spec.ts',
  'test/e2e/hot-reload.spec.ts',
  'apps/gateway/src/models/silent-worker.spec.ts',
  'test/e2e/faults/operations.spec.ts',
  'test/e2e/faults/json.spec.ts',
  'apps/device-worker/src/functions/function-thread.spec.ts',
  'apps/device-worker/src/replica/open-servable.spec.ts',
  'test/e2e/distributed-fleet.spec.ts',
  'apps/gateway/src/protocols/json/json.spec.ts',
  'test/e2e/isolation.spec.ts',
  'test/e2e/large-messages.spec.ts',
  'test/parity/examples/examples.spec.ts',
  'test/e2e/distributed.spec.ts',
  'apps/gateway/src/ingress/body-inflater.spec.ts',
  'apps/gateway/src/models/models.spec.ts',
  'test/e2e/state.spec.ts',
  'test/e2e/distributed-exit-codes.spec.ts',
  'test/parity/mindir/op-cases.spec.ts',
  'test/e2e/dashboard.spec.ts',
  'test/e2e/faults/tensors.spec.ts',
  'test/e2e/bench-command.spec.ts',
  'test/parity/onnx-node/onnx-node.spec.ts',
  'test/e2e/bus-security.spec.ts',
  'test/e2e/client.spec.ts',
  'apps/server/src/start-servables.spec.ts',
  'test/parity/onnx-node/served-cases.spec.ts',
  'test/e2e/authoring.spec.ts',
  'libs/config/src/settings.spec.ts',
  'apps/gateway/src/tls/certificate-watch.spec.ts',
  'test/e2e/models-command.spec.ts',
  'test/e2e/leaving.spec.ts',
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
