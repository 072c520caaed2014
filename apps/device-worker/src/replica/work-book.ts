import type { MethodWork } from '@mserve/bus';
import type { MetricRegistry } from '@mserve/metrics';
import type { MethodDeclaration, ServableDeclaration } from '@mserve/register';
import { MethodTimes, RunCounts } from '../execution/run-metrics.js';
import type { Replica } from './replica.js';

/** Where the time of each method goes, over all replicas of a servable version. */
export class WorkBook {
  private readonly times = new Map<string, MethodTimes>();
  private readonly counts = new Map<string, RunCounts>();

  constructor(private readonly metrics: MetricRegistry) {}

  timesOf(servable: string, version: number, method: string): MethodTimes {
    return found(this.times, `${servable}/${version}/${method}`, () => new MethodTimes(this.metrics, servable, version, method));
  }

  countsOf(servable: string, version: number, model: string): RunCounts {
    return found(this.counts, `${servable}/${version}/${model}`, () => new RunCounts(this.metrics, servable, version, model));
  }

  /** Each method of these replicas once. */
  of(replicas: Iterable<Replica>): MethodWork[] {
    const work = new Map<string, MethodWork>();
    for (const { servable, version, declaration } of replicas)
      for (const method of declaration?.methods ?? [])
        found(work, `${servable}/${version}/${method.name}`, () => this.workOf(servable, version, method, declaration));
    return [...work.values()];
  }

  private workOf(servable: string, version: number, method: MethodDeclaration, declaration: ServableDeclaration | undefined): MethodWork {
    const times = this.timesOf(servable, version, method.name);
    const stage = method.stages.find(({ kind }) => kind === 'model');
    const model = stage && declaration?.models[stage.index]?.key;
    return {
      servable,
      version,
      method: method.name,
      assignments: times.total.count,
      waitMs: times.wait.sum * 1000,
      inputMs: times.input.sum * 1000,
      computeMs: times.compute.sum * 1000,
      outputMs: times.output.sum * 1000,
      functionMs: times.functions.sum * 1000,
      runs: model === undefined ? [] : this.countsOf(servable, version, model).bySize,
    };
  }
}

function found<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
