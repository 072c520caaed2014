import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Tensor } from '@mserve/register';
import { stringTensor, type Instance, type InstanceResult } from '@mserve/wire';
import type { ServableFolder } from '../servable/servable-folder.fixture.js';

/** Writes the servable S that functionRunnerContract calls: functions that give values, wait, hang, or end their thread. */
export function writeFunctions(folder: ServableFolder): void {
  folder.write('own/helper.ts', `export const suffix = (text: string): string => text + '!';`);
  folder.config(
    'S',
    `
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { suffix } from '../own/helper.js';
const counted = (flag: string): number => { appendFileSync(flag + '.calls', '.'); return readFileSync(flag + '.calls').length; };
const model = declareModel('m.onnx', 'ONNX');
const functions = {
  add(a: Tensor, b: Tensor) { return a.add(b); },
  greet(name: string) { return suffix(name); },
  refuseNegative(x: Tensor) { if (x.some((value) => Number(value) < 0)) throw new Error('negative'); return x; },
  /** Spins until the flag, a file, is there. */
  spin(flag: string) { while (!existsSync(flag)); return 1; },
  exitAt(x: Tensor) { if (x.item() === 1) process.exit(3); return x; },
  hangAt(x: Tensor) { while (x.item() === 1); return x; },
  grow(x: Tensor) { const kept: unknown[] = []; while (x.item() === 1) kept.push(new Array(1000).fill(kept.length)); return x; },
  throwLater(_x: Tensor) { setTimeout(() => { throw new Error('later'); }, 0); return new Promise(() => {}); },
  rejectLater(_x: Tensor) { void Promise.reject(new Error('nobody listens')); return new Promise(() => {}); },
  rejectBehind(x: Tensor) { void Promise.reject(new Error('nobody listens')); return x; },
  /** Gives its result, then keeps its thread or process from everything else for a while. */
  blockBehind(x: Tensor) { setImmediate(() => { const until = performance.now() + 300; while (performance.now() < until); }); return x; },
  never(_x: Tensor) { return new Promise(() => {}); },
  async waitFor(flag: string) { while (!existsSync(flag)) await new Promise(setImmediate); return 1; },
  /** Blocks its thread once the flag is set. */
  async hangAfter(flag: string) { while (!existsSync(flag)) await new Promise(setImmediate); while (true); },
  /** Counts its calls. */
  async countedWait(flag: string) {
    counted(flag);
    while (!existsSync(flag)) await new Promise(setImmediate);
    return readFileSync(flag + '.calls').length;
  },
  callModel(x: Tensor) { return model.call(x); },
  threadId(_x: Tensor) { globalThis.calls = (globalThis.calls ?? 0) + 1; return globalThis.calls; },
};
function* batch(instances: [Tensor][]) { for (const [x] of instances) yield [x.add(1), instances.length]; }
declare global { var calls: number | undefined; }
for (const fn of Object.values(functions)) {
  if (fn.length === 2) registerMethod({ name: fn.name, outputs: 'y' }, (a, b) => addStage(fn, a, b));
  else registerMethod({ name: fn.name, outputs: 'y' }, (x) => addStage(fn, x));
}
registerMethod(['y', 'n'], function batched(x) { return addStage(batch, x, { outputsCount: 2, batchSize: 4 }); });
`,
  );
  folder.write('S/1/m.onnx', 'not looked into here');
}

export const float = (value: number): Instance => [Tensor.scalar('float64', value)];

/** One line per instance: its outputs as numbers or strings, or its failure. */
export function plain(results: readonly InstanceResult[]): unknown[] {
  const valueOf = ({ dtype, shape, bytes }: Instance[number]): unknown =>
    dtype === 'string' ? Buffer.from(bytes.subarray(4)).toString() : Tensor.fromBytes(dtype as 'float64', shape, bytes).toArray();
  return results.map((result) => ('failure' in result ? `${result.failure.code}: ${result.failure.message}` : result.outputs.map(valueOf)));
}

/** A flag that functions see, wherever they run: a file. */
export class Flag {
  readonly instance: Instance;

  constructor(private readonly path: string) {
    this.instance = [stringTensor(path)];
  }

  set(): void {
    writeFileSync(this.path, '');
  }

  /** Calls of a function that counts them, so far. */
  get callsNow(): number {
    return read(`${this.path}.calls`).length;
  }

  /** Resolves when there were so many calls. */
  async calls(count: number): Promise<void> {
    while (this.callsNow < count) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** How many threads of this process, and of those that it started, have this priority (`nice`, the 19th field of /proc/.../stat). */
export function threadsByPriority(nice: number): number {
  const children = readdirSync('/proc/self/task').flatMap((thread) => read(`/proc/self/task/${thread}/children`).split(' '));
  const stats = ['self', ...children.filter((pid) => pid !== '')].flatMap((pid) =>
    list(`/proc/${pid}/task`).map((thread) => read(`/proc/${pid}/task/${thread}/stat`)),
  );
  return stats.filter((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16] === String(nice)).length;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // it has ended
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
