import type { ReplicaStatus } from '@mserve/bus';
import type { ServedVersion, VersionHolder } from '../versions/directory-watch.js';
import type { Replica } from './replica.js';

export function isLive({ state }: Replica): boolean {
  return state === 'loading' || state === 'ready';
}

/** Version 0 stands for all versions. */
export function matches(replica: Replica, servable: string, version: number): boolean {
  return replica.servable === servable && (version === 0 || replica.version === version);
}

/** The versions of a servable that serve, and what each was loaded from. */
export function servedVersions(replicas: Iterable<Replica>, servable: string): ServedVersion[] {
  const found = new Map<number, ServedVersion>();
  for (const { servable: name, state, version, files } of replicas)
    if (name === servable && state === 'ready') found.set(version, { version, files });
  return [...found.values()];
}

/** What loads and unloads, see DeviceWorker. */
interface Loader {
  load(asked: { name: string; version: number }, options: { reload: boolean }): Promise<readonly ReplicaStatus[]>;
  unload(name: string, version: number): Promise<unknown>;
}

/** A worker with these replicas, as the watch of its directory sees it. */
export function versionHolder(replicas: ReadonlyMap<string, Replica>, worker: Loader): VersionHolder {
  return {
    served: (servable) => servedVersions(replicas.values(), servable),
    failed: (servable) =>
      [...replicas.values()]
        .filter(({ servable: name, state, version }) => name === servable && state === 'failed' && version > 0)
        .map(({ version }) => version),
    bring: async (name, version) => {
      const reload = [...replicas.values()].some((replica) => isLive(replica) && matches(replica, name, version));
      return (await worker.load({ name, version }, { reload })).every(({ state }) => state === 'ready');
    },
    take: (name, version) => worker.unload(name, version),
  };
}
