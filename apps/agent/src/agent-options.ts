import type { AppLog } from '@mserve/app';
import type { LoadRank, RankOptions } from '@mserve/native';

/** The key of encrypted model files. */
export interface DecryptionKey {
  readonly key: Uint8Array;
  /** Only checked: the file's magic selects the mode. */
  readonly mode?: 'AES-GCM' | 'AES-CBC' | 'SM4-CBC' | undefined;
}

/** The rank that an agent runs. */
export interface AgentOptions {
  /** Name of the distributed servable. */
  readonly servable: string;
  /** 0 = the one that its worker has. */
  readonly version: number;
  /** From 0. */
  readonly rank: number;
  readonly rankSize: number;
  /** MindIR files of the rank, one per subgraph. */
  readonly modelFiles: readonly string[];
  /** Its group configurations: none, one for all subgraphs, or one for each. */
  readonly groupConfigFiles: readonly string[];
  readonly decryption?: DecryptionKey | undefined;
  /** IP address that peers connect to. Default 127.0.0.1. */
  readonly address?: string | undefined;
  /** Of the first subgraph; the next ones follow. Default 0: the system chooses. */
  readonly port?: number | undefined;
  readonly session?: RankOptions['session'];
  /** Opens a rank; `loadRank` of @mserve/native is one. */
  readonly loadRank: LoadRank;
  readonly log: AppLog;
}
