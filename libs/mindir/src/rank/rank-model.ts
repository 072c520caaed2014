import type { ScheduledCollective } from '../graph/collective.js';
import type { ModelPort } from '../model-port.js';
import type { RankProgram } from './rank-program.js';
import type { ModelReport } from '../report.js';

/** The MindIR file of one rank of a distributed model. */
export interface RankModel {
  /** Views on the bytes of the file, as in OnnxModel. */
  readonly program: RankProgram;
  /** The collectives of the program, in its order. */
  readonly schedule: readonly ScheduledCollective[];
  /** Ranks whose weights are the same as this rank's, as the group configuration says; [] where it says nothing. */
  readonly restoreRanks: readonly number[];
  /** All inputs that the file declares; the program may use fewer. */
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
  /** SHA-256 (hex) of the decrypted file and of the weights beside it: tells whether two ranks have the same model. */
  readonly sha256: string;
  readonly report: ModelReport;
}
