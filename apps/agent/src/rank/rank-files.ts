import { readFile } from 'node:fs/promises';
import { loadRankMindir, type RankModel } from '@mserve/mindir';
import { ServingError } from '@mserve/wire';
import type { AgentOptions } from '../agent-options.js';

/** Reads the files of a rank, one model per subgraph. Rejects with an error that names the file: ServingError or MindirError. */
export async function readRankFiles(options: AgentOptions): Promise<RankModel[]> {
  const { rank, rankSize, modelFiles, groupConfigFiles, decryption } = options;
  if (groupConfigFiles.length > 1 && groupConfigFiles.length !== modelFiles.length)
    throw new ServingError(
      'INVALID_ARGUMENT',
      `rank ${rank} has ${modelFiles.length} model files, but ${groupConfigFiles.length} group configurations`,
    );
  const models: RankModel[] = [];
  for (const [index, file] of modelFiles.entries()) {
    const configFile = groupConfigFiles[index] ?? groupConfigFiles[0];
    const groupConfig = configFile === undefined ? undefined : await readConfig(configFile);
    models.push(await loadRankMindir(file, { rank, rankSize, groupConfig, decKey: decryption?.key, decMode: decryption?.mode }));
  }
  return models;
}

async function readConfig(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    throw new ServingError('NOT_FOUND', `Cannot access group config file '${file}': ${code ?? message}`, { cause: thrown });
  }
}
