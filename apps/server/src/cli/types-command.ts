import type { Client, MethodDescription } from '@mserve/client';
import { settings } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import type { Command } from 'commander';
import { CliError } from '../cli-error.js';
import { clientAddress, collect, wholeNumber } from './option-values.js';

interface TypesFlags {
  readonly server: string;
  readonly servable?: readonly string[];
  readonly timeoutMs: number;
}

/** The text of `servables.d.ts`: the methods of a running server, of the latest version of each servable. */
async function types({ server, servable: wanted, timeoutMs }: TypesFlags): Promise<string> {
  const { Client, typesOf } = await import('@mserve/client');
  try {
    const client = new Client(clientAddress(server), { timeoutMs });
    return typesOf(await readyMethods(client, wanted).finally(() => client.close()), server);
  } catch (thrown) {
    if (thrown instanceof ServingError) throw new CliError(`${server}: ${thrown.message}`, thrown.code === 'INVALID_ARGUMENT' ? 2 : 1);
    throw thrown;
  }
}

async function readyMethods(client: Client, wanted: readonly string[] | undefined): Promise<MethodDescription[]> {
  const ready = await client.list();
  const missing = wanted?.filter((name) => !ready.some(({ servable }) => servable === name)) ?? [];
  if (missing.length > 0) throw new CliError(`the server has no servable ${missing.map((name) => `'${name}'`).join(', ')} that is ready`);
  const methods = new Map(ready.map(({ servable, method }) => [`${servable}\n${method}`, { servable, method }]));
  const chosen = [...methods.values()].filter(({ servable }) => wanted === undefined || wanted.includes(servable));
  return Promise.all(chosen.map(({ servable, method }) => client.describe(servable, method)));
}

/** `mserve types` */
export function addTypes(program: Command): void {
  program
    .command('types')
    .description('write the methods of a running server as TypeScript types for @mserve/client')
    .option('--server <address>', 'HOST:PORT of its REST port, or an address as Client takes it', settings.rest.default)
    .option('--servable <name>', 'only this one; may be given several times', collect(String))
    .option('--timeout-ms <n>', 'give up after this long', wholeNumber(1, 86_400_000), 60_000)
    .action(async (flags: TypesFlags) => {
      process.stdout.write(await types(flags));
    });
}
