import { AddressError, parseAddress, parseServableChoice, type ServableChoice } from '@mserve/config';
import type { ModelChange, ModelList } from '@mserve/gateway';
import { InvalidArgumentError, type Command } from 'commander';
import { Reported } from '../cli-error.js';
import { askAdmin, type AdminFlags } from './admin-client.js';
import { print } from './text.js';

const defaultAdmin = '127.0.0.1:1600';

interface ModelsFlags extends AdminFlags {
  readonly worker?: readonly string[];
  readonly json: boolean;
}

interface ChangeFlags extends ModelsFlags {
  readonly reload?: boolean;
  readonly graceMs?: number;
}

/** HOST:PORT, or a URL of one. */
function adminAddress(text: string): string {
  const [, scheme = '', address = text] = /^(https?:\/\/)(.*?)\/?$/.exec(text) ?? [];
  try {
    if (parseAddress(address).kind === 'tcp') return `${scheme}${address}`;
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
  }
  throw new InvalidArgumentError('HOST:PORT or https://HOST:PORT is expected, for example 127.0.0.1:1600.');
}

function milliseconds(text: string): number {
  const number = /^\d{1,8}$/.test(text) ? Number(text) : NaN;
  if (!(number <= 86_400_000)) throw new InvalidArgumentError('a whole number from 0 to 86400000 is expected.');
  return number;
}

function servableChoice(text: string): ServableChoice {
  const choice = parseServableChoice(text);
  if (choice === undefined) throw new InvalidArgumentError('NAME or NAME:VERSION is expected.');
  return choice;
}

/** The flags that all of them have. */
function withFlags(command: Command): Command {
  return command
    .option('--admin <address>', `admin address of the server (variable MSERVE_ADMIN; default ${defaultAdmin})`, adminAddress)
    .option('--admin-token-file <file>', 'file with its bearer token (variables MSERVE_ADMIN_TOKEN_FILE, MSERVE_ADMIN_TOKEN)')
    .option('--admin-ca <file>', 'authority of its certificate, for https; PEM')
    .option('--admin-certificate <file>', 'certificate to show it, where it asks for one; PEM')
    .option('--admin-private-key <file>', 'the key of that; PEM')
    .option('--timeout-ms <n>', 'give up after this long', milliseconds, 600_000)
    .option('--json', 'print one line of JSON instead of text', false);
}

function withChangeFlags(command: Command): Command {
  return withFlags(command)
    .option(
      '--worker <address>',
      'only this worker (its bus address); may be given several times',
      (text, before: string[] | undefined) => [...(before ?? []), text],
    )
    .option('--grace-ms <n>', 'how long what is unloaded may take for its requests (default 30000)', milliseconds);
}

/** Flags over the environment over the default. */
function adminOf(flags: ModelsFlags): AdminFlags {
  return { ...flags, admin: flags.admin ?? adminAddress(process.env['MSERVE_ADMIN'] || defaultAdmin) };
}

async function list(choice: ServableChoice | undefined, flags: ModelsFlags): Promise<void> {
  const query = choice === undefined ? '' : `?servable=${encodeURIComponent(choice.name)}`;
  const { body } = await askAdmin(adminOf(flags), process.env, 'GET', `/admin/models${query}`, ['workers', 'servables']);
  print(flags.json, body, listText(body as ModelList));
}

async function change(action: 'load' | 'unload' | 'switch', { name, version }: ServableChoice, flags: ChangeFlags): Promise<void> {
  const { worker, reload, graceMs, timeoutMs } = flags;
  const wanted = { version, workers: worker, graceMs, ...(action !== 'unload' && { reload, timeoutMs: Math.max(1, timeoutMs) }) };
  const path = `/admin/models/${encodeURIComponent(name)}/${action}`;
  const { ok, body } = await askAdmin(adminOf(flags), process.env, 'POST', path, ['workers', 'versions'], wanted);
  print(flags.json, body, changeText(action, body as ModelChange));
  if (!ok) throw new Reported();
}

/** One line for each version, with what is wrong below it. */
export function listText({ workers, servables }: ModelList): string {
  const rows = servables.flatMap(({ servable, latest, versions }) =>
    versions.flatMap(({ version, state, replicas }) => {
      const where =
        replicas.length === 0 ? '' : `, ${replicas.length === 1 ? '1 replica' : `${replicas.length} replicas`} on ${namesOf(replicas)}`;
      const errors = replicas.flatMap(({ worker, error }) =>
        error === undefined ? [] : [`    ${worker}: ${error.replaceAll('\n', '\n      ')}`],
      );
      return [`${servable}:${version}  ${state}${version === latest ? ', latest' : ''}${where}`, ...errors];
    }),
  );
  const heard = workers.map(
    ({ worker, host, leaving }) => `${worker}${host === undefined ? '' : ` on ${host}`}${leaving ? ', leaving' : ''}`,
  );
  return [...(rows.length === 0 ? ['no servables'] : rows), '', `workers: ${heard.length === 0 ? 'none is heard' : heard.join('; ')}`].join(
    '\n',
  );
}

function namesOf(replicas: readonly { readonly worker: string }[]): string {
  return [...new Set(replicas.map(({ worker }) => worker))].join(', ');
}

/** One line for each worker. */
export function changeText(action: string, { servable, versions, ok, workers, passedOver = [] }: ModelChange): string {
  const what = `${servable}${versions.length === 0 ? '' : `:${versions.join(',')}`}`;
  const lines = workers.map(({ worker, loaded, unloaded, error }) => {
    const steps = [
      ...(loaded.length === 0 ? [] : [`loaded ${loaded.join(', ')}`]),
      ...(unloaded.length === 0 ? [] : [`unloaded ${unloaded.join(', ')}`]),
    ];
    const did = steps.length === 0 ? 'nothing to do' : steps.join(', ');
    return error === undefined ? `  ✓ ${worker}: ${did}` : `  ✗ ${worker}: ${steps.length === 0 ? '' : `${did}; `}${error}`;
  });
  const first = `${action} ${what}: ${ok ? 'done' : `not done${action === 'unload' ? '' : ', what served before goes on'}`}`;
  lines.push(...passedOver.map((worker) => `  ! ${worker}: not heard any more, passed over; if it comes back, ask again`));
  const away = workers.some(({ code }) => code === 'UNAVAILABLE');
  return [first, ...lines, ...(away ? ['try again, or name the workers that are there: --worker ADDRESS'] : [])].join('\n');
}

/** `mserve models list|load|unload|switch`. */
export function addModels(program: Command): void {
  const models = program.command('models').description('list, load, unload and switch servable versions of a running server or fleet');
  withFlags(
    models.command('list').argument('[name]', 'only this servable', servableChoice).description('what the workers have, loaded or on disk'),
  ).action(list);
  withChangeFlags(
    models
      .command('load')
      .argument('<name[:version]>', 'default version: the highest on disk', servableChoice)
      .description('load a version beside those that serve'),
  )
    .option('--reload', 'load it anew when it serves already')
    .action((choice: ServableChoice, flags: ChangeFlags) => change('load', choice, flags));
  withChangeFlags(
    models
      .command('unload')
      .argument('<name[:version]>', 'default version: all', servableChoice)
      .description('unload a version when its requests are done'),
  ).action((choice: ServableChoice, flags: ChangeFlags) => change('unload', choice, flags));
  withChangeFlags(
    models
      .command('switch')
      .argument('<name[:version]>', 'default version: the highest on disk', servableChoice)
      .description('load a version; when all workers have it ready, unload the others'),
  )
    .option('--reload', 'load it anew when it serves already')
    .action((choice: ServableChoice, flags: ChangeFlags) => change('switch', choice, flags));
}
