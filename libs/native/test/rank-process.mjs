/**
 * One rank in a process of its own, for specs: does what its parent asks by messages { id, call, argument } and answers { id, value } or { id, error }.
 * Started with an IPC channel (testing/rank-fleet.ts); ends with it.
 */
import { loadRank } from '../dist/index.js';

let rank;

const calls = {
  async load({ program, options }) {
    rank = await loadRank(program, options);
    return rank.endpoint;
  },
  form: (formation) => rank.form(formation).then(() => rank.sharing),
  run: (run) => rank.run(run),
  abort: async (reason) => rank.abort(reason),
  close: () => rank.close(),
};

process.on('message', async ({ id, call, argument }) => {
  try {
    process.send({ id, value: await calls[call](argument) });
  } catch (error) {
    process.send({ id, error: { kind: error.kind, message: error.message, peer: error.peer } });
  }
});
process.on('disconnect', () => process.exit());
