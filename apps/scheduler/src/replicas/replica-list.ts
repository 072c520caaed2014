import type { ReplicaList } from '@mserve/bus';
import { ReplicaStatusDto, validateControl } from '@mserve/bus/nest';
import { ServingError } from '@mserve/wire';

const maxReplicas = 10_000;

/**
 * The answer of a worker to `replicas.list`, checked. A replica that makes no sense is left out and told to `onWrong`: it must not keep
 * the worker's other replicas from serving.
 * Throws ServingError INVALID_ARGUMENT when there is no list at all.
 */
export function readReplicaList(plain: unknown, onWrong: (text: string) => void): ReplicaList {
  const { revision, replicas } = (plain ?? {}) as { revision?: unknown; replicas?: unknown };
  if (!Number.isSafeInteger(revision) || !Array.isArray(replicas) || replicas.length > maxReplicas) {
    throw new ServingError('INVALID_ARGUMENT', `a replica list needs a revision and at most ${maxReplicas} replicas`);
  }
  const sound: ReplicaStatusDto[] = [];
  for (const [index, replica] of replicas.entries()) {
    try {
      sound.push(validateControl(ReplicaStatusDto, replica));
    } catch (error) {
      onWrong(`replicas.${index}: ${(error as Error).message}`);
    }
  }
  return { revision: revision as number, replicas: sound };
}
