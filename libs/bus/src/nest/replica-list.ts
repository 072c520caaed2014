import type { ReplicaList, ReplicaStatus } from '../control/messages.js';
import { CheckedList, splitList } from './checked-list.js';
import { ReplicaListDto, ReplicaStatusDto } from './control-dtos.js';

/**
 * The answer of a worker to `replicas.list`, checked. A replica that is not valid is left out, and `onWrong` is called: it must not keep
 * the worker's other replicas from serving. `checked`: what was checked of this worker before.
 * Throws ServingError INVALID_ARGUMENT when there is no list at all.
 */
export function readReplicaList(
  plain: unknown,
  onWrong: (text: string) => void,
  checked = new CheckedList<ReplicaStatus>(ReplicaStatusDto),
): ReplicaList {
  const { head, entries } = splitList(ReplicaListDto, plain, 'replicas');
  return { revision: head.revision, replicas: checked.read(entries, (index, reason) => onWrong(`replicas.${index}: ${reason}`)) };
}
