import type { Instance, InstanceResult } from '@mserve/wire';
import { openServable, type OpenedServable, type OpenServableOptions } from '../replica/open-servable.js';
import { ServableFolder } from '../servable/servable-folder.fixture.js';
import { FunctionCalls } from './function-calls.fixture.js';

/** The functions of a servable S, written into `folder` by a spec and loaded by each of its tests, in real threads. */
export class LoadedFunctions {
  readonly folder = new ServableFolder();
  private opened: { readonly servable: OpenedServable; readonly calls: FunctionCalls } | undefined;

  readonly load = async (options: OpenServableOptions = {}): Promise<OpenedServable> => {
    const servable = await openServable(this.folder.path, 'S', { cutGraceMs: 10, ...options });
    this.opened = { servable, calls: new FunctionCalls(servable.runner) };
    return servable;
  };

  /** Calls a function by its name. */
  readonly run = (
    name: string,
    instances: readonly Instance[],
    deadlineAt = Infinity,
    signal?: AbortSignal,
  ): Promise<readonly InstanceResult[]> => {
    const index = this.servable.runner.declaration.functions.find((declared) => declared.name === `S.${name}`)?.index ?? -1;
    return this.calls.run(index, instances, deadlineAt, signal);
  };

  get servable(): OpenedServable {
    if (this.opened === undefined) throw new Error('nothing is loaded');
    return this.opened.servable;
  }

  get calls(): FunctionCalls {
    if (this.opened === undefined) throw new Error('nothing is loaded');
    return this.opened.calls;
  }

  async unload(): Promise<void> {
    await this.opened?.servable.runner.close();
    this.opened = undefined;
  }
}
