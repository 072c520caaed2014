import type { AppLog } from '@mserve/app';
import type { FunctionPlace } from '../execution/function-dispatch.js';
import type { FunctionFault } from '../functions/function-call.js';
import type { ModelPlan } from '../execution/model-plan.js';

/** Failed runs of one model are logged at most this often: what makes them fail may come from clients. */
const everyMs = 1000;
/** Kinds of faults that are told apart; what an author's code throws may have ever new places. */
const maxKinds = 1000;

/** Tells operators why native runs and functions failed, as clients are not told. */
export class FailureLog {
  private readonly faults = new Map<string, number>();
  private readonly models = new Map<string, { loggedAt: number; unlogged: number }>();

  constructor(
    private readonly log: AppLog,
    private readonly about: Readonly<Record<string, unknown>>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  report(plan: ModelPlan, cause: unknown): void {
    const key = `${plan.key}#${plan.subgraph}`;
    const known = this.models.get(key);
    const now = this.now();
    if (known !== undefined && now - known.loggedAt < everyMs) {
      known.unlogged++;
      return;
    }
    this.models.set(key, { loggedAt: now, unlogged: 0 });
    const unlogged = known === undefined || known.unlogged === 0 ? {} : { alsoFailed: known.unlogged };
    this.log.error({ ...this.about, model: plan.key, subgraph: plan.subgraph, ...unlogged, err: cause }, 'a native run failed');
  }

  /** The first fault of a kind (method, stage, class of error, place) with its stack; then one line when there are 10, 100, 1000, ... of it. */
  reportFault(fault: FunctionFault, { method, stage }: FunctionPlace): void {
    const { kind, text, frames } = fault;
    const [place = ''] = frames.split('\n', 1);
    const key = JSON.stringify([method.name, stage.declaration.number, kind, place]);
    if (!this.faults.has(key) && this.faults.size >= maxKinds) return;
    const count = (this.faults.get(key) ?? 0) + 1;
    this.faults.set(key, count);
    const { name } = stage.function ?? { name: '' };
    const about = { ...this.about, method: method.name, stage: stage.declaration.number, function: name, error: kind };
    if (count === 1)
      this.log.error({ ...about, stack: `${text}${frames === '' ? '' : `\n${frames}`}` }, `function '${name}' failed: ${text}`);
    else if (/^10+$/.test(String(count))) this.log.error({ ...about, count }, `function '${name}' has failed ${count} times in this way`);
  }
}
