import type { Instance, InstanceResult } from '@mserve/wire';
import { openServable, type OpenedServable, type OpenServableOptions } from '../replica/open-servable.js';
import { ServableFolder } from '../servable/servable-folder.fixture.js';

/** The functions of a servable S, written into `folder` by a spec and loaded by each of its tests, in real threads. */
export class LoadedFunctions {
  readonly folder = new ServableFolder();
  servable: OpenedServable | undefined;

  readonly load = async (options: OpenServableOptions = {}): Promise<OpenedServable> => {
    this.servable = await openServable(this.folder.path, 'S', { cutGraceMs: 10, ...options });
    return this.servable;
  };

  /** Calls a function by its name. */
  readonly run = (
    name: string,
    instances: readonly Instance[],
    deadlineAt = Infinity,
    signal?: AbortSignal,
  ): Promise<readonly InstanceResult[]> => {
    const index = this.servable?.runner.declaration.functions.find((declared) => declared.name === `S.${name}`)?.index ?? -1;
    return (this.servable as OpenedServable).runner.run(index, instances, { deadlineAt, signal });
  };

  async unload(): Promise<void> {
    await this.servable?.runner.close();
    this.servable = undefined;
  }
}
