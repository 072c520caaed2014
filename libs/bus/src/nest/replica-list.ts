import { ServingError } from '@mserve/wire';
import type { ReplicaList, ReplicaStatus } from '../control/messages.js';
import { ReplicaListDto, ReplicaStatusDto } from './control-dtos.js';
import { validateControl } from './parse-control.js';

/**
 * The answer of a worker to `replicas.list`, checked. A replica that makes no sense is left out and told to `onWrong`: it must not keep
 * the worker's other replicas from serving.
 * Throws ServingError INVALID_ARGUMENT when there is no list at all.
 */
export function readReplicaList(plain: unknown, onWrong: (text: string) => void): ReplicaList {
  const { revision, replicas } = validateControl(ReplicaListDto, plain);
  const sound: ReplicaStatus[] = [];
  for (const [index, replica] of replicas.entries()) {
    try {
      sound.push(validateControl(ReplicaStatusDto, replica));
    } catch (error) {
      onWrong(`replicas.${index}: ${ServingError.from(error).message}`);
    }
  }
  return { revision, replicas: sound };
}
