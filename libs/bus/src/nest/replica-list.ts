import { ServingError } from '@mserve/wire';
import type { ReplicaList, ReplicaStatus } from '../control/messages.js';
import { ReplicaListDto, ReplicaStatusDto } from './control-dtos.js';
import { validateControl } from './parse-control.js';

/**
 * The answer of a worker to `replicas.list`, checked. A replica that is not valid is left out, and `onWrong` is called: it must not keep
 * the worker's other replicas from serving.
 * Throws ServingError INVALID_ARGUMENT when there is no list at all.
 */
export function readReplicaList(plain: unknown, onWrong: (text: string) => void): ReplicaList {
  const { revision, replicas } = validateControl(ReplicaListDto, plain);
  const valid: ReplicaStatus[] = [];
  for (const [index, replica] of replicas.entries()) {
    try {
      valid.push(validateControl(ReplicaStatusDto, replica));
    } catch (error) {
      onWrong(`replicas.${index}: ${ServingError.from(error).message}`);
    }
  }
  return { revision, replicas: valid };
}
