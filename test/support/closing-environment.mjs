/**
 * Jest's environment for specs. At the end of each spec file it waits until everything that the file opened and that keeps a process alive
 * (timers, sockets, servers, processes, threads) is closed again. A file that leaves something open fails, and is told what.
 */
import { TestEnvironment } from 'jest-environment-node';

/** What is on its way out may take so long on a busy machine. */
const patienceMs = 10_000;
const lookEveryMs = 5;
/** Requests to the system end by themselves. */
const endsByItself = /Req|^Immediate$/;

/** How many open resources of each kind this process has. */
function openResources() {
  const counts = new Map();
  for (const kind of process.getActiveResourcesInfo()) if (!endsByItself.test(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

export default class ClosingEnvironment extends TestEnvironment {
  #path;
  #before;

  constructor(config, context) {
    super(config, context);
    this.#path = context.testPath;
  }

  async setup() {
    await super.setup();
    // A process opens its own streams when somebody asks for them, in Jest's worker processes as pipes: they are there from the start, and no file's
    for (const stream of ['stdin', 'stdout', 'stderr']) void process[stream];
    this.#before = openResources();
  }

  async teardown() {
    const until = performance.now() + patienceMs;
    let left = this.#left();
    while (left.length > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      left = this.#left();
    }
    await super.teardown();
    if (left.length > 0) throw new Error(`${this.#path} left open: ${left.join(', ')}`);
  }

  /** Kinds of resources of which there are more than before the file ran. */
  #left() {
    return [...openResources()].filter(([kind, count]) => count > (this.#before.get(kind) ?? 0)).map(([kind]) => kind);
  }
}
