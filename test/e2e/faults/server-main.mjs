import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { startServer } from '../../../apps/server/dist/index.js';
import { MetricRegistry } from '../../../libs/metrics/dist/index.js';

/** An embedded server that its parent can look into. argv[2]: options of startServer as JSON. Each message of the parent is answered with the state. */

/** CPU time that the main thread has had, in ms: what a busy machine takes away does not count. */
const times = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
function cpuMs() {
  const text = Buffer.alloc(64);
  readSync(times, text, 0, 64, 0);
  return Number(text.toString('latin1').split(' ', 1)[0]) / 1e6;
}

let longestTurnMs = 0;
let seenMs = cpuMs();
setInterval(() => {
  const now = cpuMs();
  longestTurnMs = Math.max(longestTurnMs, now - seenMs);
  seenMs = now;
}, 10).unref();

const registry = new MetricRegistry();
const count = (name) =>
  registry
    .snapshot()
    .filter(({ declaration }) => declaration.name === `mserve_gateway_requests_${name}_total`)
    .flatMap(({ samples }) => samples)
    .reduce((sum, { value }) => sum + value, 0);

const server = await startServer({ ...JSON.parse(process.argv[2]), rest: '127.0.0.1:0', grpc: '127.0.0.1:0', metrics: registry });
process.on('message', () => {
  process.send({
    residentMiB: process.memoryUsage.rss() / 2 ** 20,
    files: readdirSync('/proc/self/fd').length,
    sockets: process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length,
    clock: Date.now(),
    inHand: count('received') - count('answered') - count('refused') - count('gone'),
    longestTurnMs,
  });
  longestTurnMs = 0;
});
process.on('disconnect', () => process.exit(1));
process.once('SIGTERM', () => {
  void server.close(1000).then(() => {
    closeSync(times);
    process.disconnect();
    process.exitCode = 0;
  });
});
process.send({ rest: server.rest, grpc: server.grpc, ops: server.ops, failed: server.failed });
