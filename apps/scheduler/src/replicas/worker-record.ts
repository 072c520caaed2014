import type { ReplicaStatus } from '@mserve/bus';
import { CheckedList, ReplicaStatusDto } from '@mserve/bus/nest';

/** Of what a replica differs from those of the same version that are used. `content`: the files that it was loaded from. */
export const differences = ['signature', 'content'] as const;
/** One of {@link differences}. */
export type Difference = (typeof differences)[number];

/** What the scheduler knows of a worker. */
export class WorkerRecord {
  /** Revision of the replica list that was applied last; -1 before the first. */
  revision = -1;
  /** Revision that the worker's last beacon said. */
  heardRevision = -1;
  fetching = false;
  leaving = false;
  /** Since then an assignment is known not to have reached it. Infinity: nothing suspicious. */
  suspectedAt = Infinity;
  /** As listed last. */
  replicas = new Map<string, ReplicaStatus>();
  /** What was checked of its lists. */
  readonly checked = new CheckedList<ReplicaStatus>(ReplicaStatusDto);
  /** Listed ones that are used. */
  readonly used = new Set<string>();
  /** Listed ones that are not used because something differs from that of the others. */
  readonly quarantined = new Map<string, Difference>();
  /** What was warned of: each once. */
  readonly warned = new Set<string>();

  constructor(
    readonly address: string,
    readonly epoch: number,
    public heardAt: number,
  ) {}
}
