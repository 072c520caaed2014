import type { AppLog } from '@mserve/app';
import type { ModelPlan } from '../execution/model-plan.js';

/** Failed runs of one model are told at most this often: what makes them fail may come from clients. */
const everyMs = 1000;

/** Tells operators why native runs failed, which clients are not told. */
export class FailureLog {
  private readonly models = new Map<string, { toldAt: number; untold: number }>();

  constructor(
    private readonly log: AppLog,
    private readonly about: Readonly<Record<string, unknown>>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  report(plan: ModelPlan, cause: unknown): void {
    const key = `${plan.key}#${plan.subgraph}`;
    const known = this.models.get(key);
    const now = this.now();
    if (known !== undefined && now - known.toldAt < everyMs) {
      known.untold++;
      return;
    }
    this.models.set(key, { toldAt: now, untold: 0 });
    const untold = known === undefined || known.untold === 0 ? {} : { alsoFailed: known.untold };
    this.log.error({ ...this.about, model: plan.key, subgraph: plan.subgraph, ...untold, err: cause }, 'a native run failed');
  }
}
