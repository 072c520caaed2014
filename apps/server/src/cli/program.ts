import { Command, InvalidArgumentError, Option } from 'commander';
import type { RunningServer } from '../server.js';
import { busAddress, grpcAddress, hostAndPort } from './addresses.js';
import { CliError, Reported } from './cli-error.js';
import { infer } from './infer.js';
import { init, initText } from './init.js';
import { decryptionMode, readKey, type KeyFlags } from './key.js';
import { maxVersion, parseServableChoice, readyText, serveOptions, type ServeFlags } from './serve.js';
import { print } from './text.js';
import { packageVersion } from './version.js';

function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!Number.isInteger(number) || number < min || number > max)
      throw new InvalidArgumentError(`a whole number from ${min} to ${max} is expected.`);
    return number;
  };
}

function collect<T>(parse: (text: string) => T) {
  return (text: string, before: readonly T[] | undefined): T[] => [...(before ?? []), parse(text)];
}

function deviceIds(text: string): number[] {
  const ids = text.split(',').map(wholeNumber(0, 65_535));
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (twice !== undefined) throw new InvalidArgumentError(`device ${twice} is given twice.`);
  return ids;
}

const keyFileFlag = new Option(
  '--dec-key-file <file>',
  'file with the key of an encrypted MindIR: 16, 24 or 32 bytes, or as many in hexadecimal',
);
const keyModeFlag = new Option('--dec-mode <mode>', 'AES-GCM, AES-CBC or SM4-CBC; only checked, the file says which').argParser(
  decryptionMode,
);
const jsonFlag = new Option('--json', 'print one line of JSON instead of text').default(false);

/** What ends a server that runs in the foreground: SIGINT or SIGTERM, in main.ts. */
export interface Foreground {
  /** From now on these signals no longer end the process; resolves with the first one. */
  untilAsked(): Promise<void>;
}

function addServe(program: Command, foreground: Foreground): void {
  program
    .command('serve')
    .argument('<dir>', 'directory that holds one folder per servable (NAME/servable_config.ts, NAME/1/model files)')
    .description('serve every servable in DIR, all in this process')
    .option(
      '--servable <name[:version]>',
      'serve only this one; may be given several times (default: every servable, latest version)',
      collect(parseServableChoice),
    )
    .option('--device-ids <ids>', 'a replica of every servable on each of these devices (on CPU: that many replicas)', deviceIds, [0])
    .option('--rest <host:port>', 'REST address; port 0 = any free one', hostAndPort, '127.0.0.1:1500')
    .option('--grpc <host:port|unix:path>', 'gRPC address; port 0 = any free one', grpcAddress, '127.0.0.1:5500')
    .option('--max-msg-mb <n>', 'largest request or answer in MiB', wholeNumber(1, 512), 100)
    .option('--bus <memory|nats://host:port>', 'memory = everything in this process; a NATS address joins a fleet', busAddress, 'memory')
    .option(
      '--workers <n>',
      'threads for the functions of a servable, over all its replicas; at least one per replica',
      wholeNumber(1, 64),
      1,
    )
    .option('--intra-op-threads <n>', 'threads inside one native run (0 = one per core)', wholeNumber(0, 1024))
    .option('--legacy-status-200', 'answer errors of /model/... with HTTP 200, as the original did', false)
    .option('--docs', 'answer /docs and /openapi.json (default: only when REST is on loopback)')
    .option('--no-docs', 'do not answer them')
    .addOption(keyFileFlag)
    .addOption(keyModeFlag)
    .option('--grace-ms <n>', 'how long work in hand may take when the server is asked to end', wholeNumber(0, 3_600_000), 30_000)
    .addOption(jsonFlag)
    .action(async (directory: string, flags: ServeFlags) => {
      const asked = foreground.untilAsked();
      const { startServer } = await import('../server.js');
      let server: RunningServer | undefined;
      const starting = startServer(serveOptions(directory, flags)).then((running) => (server = running));
      const first = await Promise.race([starting.then(() => 'ready' as const), asked.then(() => 'asked' as const)]);
      if (first === 'asked') {
        starting.catch(() => undefined);
        return;
      }
      const running = server as unknown as RunningServer;
      print(
        flags.json,
        { rest: running.rest, grpc: running.grpc, docs: running.docs, servables: running.servables, failed: running.failed },
        readyText(running),
      );
      await asked;
      if (!flags.json) process.stderr.write('ending: finishing what is in hand (press Ctrl+C again to end at once)\n');
      await running.close(flags.graceMs);
    });
}

function addInfer(program: Command): void {
  program
    .command('infer')
    .description('call a method of a running server')
    .requiredOption('--servable <name>', 'servable')
    .requiredOption('--method <name>', 'method')
    .option('--version-number <n>', 'servable version (default: the latest)', wholeNumber(0, maxVersion))
    .requiredOption(
      '--input <name=@file|json>',
      'an input: @file (.npy is a tensor, anything else its bytes) or a JSON value; once per input',
      collect(String),
    )
    .option('--rest <host:port>', 'REST address of the server', hostAndPort, '127.0.0.1:1500')
    .option('--timeout-ms <n>', 'give up after this long', wholeNumber(1, 86_400_000), 60_000)
    .addOption(jsonFlag)
    .action(
      async (flags: {
        servable: string;
        method: string;
        versionNumber?: number;
        input: string[];
        rest: string;
        timeoutMs: number;
        json: boolean;
      }) => {
        const answer = await infer({ ...flags, version: flags.versionNumber });
        print(flags.json, answer, JSON.stringify(answer, null, 1));
      },
    );
}

function addRun(program: Command): void {
  program
    .command('run')
    .argument('<model>', 'model file (ONNX or MindIR)')
    .description('run a model file once, without a server')
    .option('--input <file.npy>', 'an input, in the model’s order, or name=file.npy; once per input', collect(String), [])
    .option('--output-dir <dir>', 'write output_0.npy, output_1.npy, ... there')
    .option('--threads <n>', 'threads inside the run (0 = one per core)', wholeNumber(0, 1024), 0)
    .addOption(keyFileFlag)
    .addOption(keyModeFlag)
    .addOption(jsonFlag)
    .action(async (model: string, flags: { input: string[]; outputDir?: string; threads: number; json: boolean } & KeyFlags) => {
      const { run } = await import('./run.js');
      const outputs = await run(model, { ...flags, key: readKey(flags) });
      const text = outputs.map(
        (output) => `${output.name}  ${output.dtype} [${output.shape.join(', ')}]${output.file === undefined ? '' : `  ${output.file}`}`,
      );
      print(flags.json, { outputs }, text.join('\n'));
    });
}

function addCheck(program: Command): void {
  program
    .command('check')
    .argument('<dir>', 'directory that holds one folder per servable')
    .description('load every servable in DIR without serving it, and say everything that is wrong')
    .option('--servable <name>', 'check only this one; may be given several times', collect(String))
    .addOption(keyFileFlag)
    .addOption(keyModeFlag)
    .addOption(jsonFlag)
    .action(async (directory: string, flags: { servable?: string[]; json: boolean } & KeyFlags) => {
      const key = readKey(flags);
      if (key !== undefined && flags.servable === undefined)
        throw new CliError('--dec-key-file needs --servable: the servables that the key is for', 2);
      const { check, checkText } = await import('./check.js');
      const servables = await check(directory, { servable: flags.servable, key });
      const ok = servables.every((servable) => servable.ok);
      print(flags.json, { ok, servables }, checkText(servables));
      if (!ok) throw new Reported();
    });
}

function addInit(program: Command): void {
  program
    .command('init')
    .argument('<name>', 'name of the new servable: 1 to 64 letters, digits, _ and -')
    .description('write a small servable that works: config, model, test')
    .option('--dir <dir>', 'servable directory that it is written into (made when it is not there)', '.')
    .addOption(jsonFlag)
    .action((name: string, flags: { dir: string; json: boolean }) => {
      const written = init(name, flags.dir);
      print(flags.json, written, initText(written));
    });
}

function addModel(program: Command): void {
  const model = program.command('model').description('look into model files and convert them');
  model
    .command('inspect')
    .argument('<file>', 'model file (ONNX or MindIR)')
    .description('producer, version, inputs and outputs, operators, parameters, encryption')
    .addOption(keyFileFlag)
    .addOption(keyModeFlag)
    .addOption(jsonFlag)
    .action(async (file: string, flags: KeyFlags & { json: boolean }) => {
      const { inspectionText, inspectModel } = await import('./model.js');
      const inspection = await inspectModel(file, readKey(flags));
      print(flags.json, inspection, inspectionText(inspection));
    });
  model
    .command('convert')
    .argument('<file>', 'MindIR file')
    .description('write a MindIR model as ONNX')
    .requiredOption('-o, --output <file.onnx>', 'where to; weights over 2 GB go to <file.onnx>.data beside it')
    .addOption(keyFileFlag)
    .addOption(keyModeFlag)
    .addOption(jsonFlag)
    .action(async (file: string, flags: KeyFlags & { output: string; json: boolean }) => {
      const { convertModel } = await import('./model.js');
      const written = await convertModel(file, flags.output, readKey(flags));
      print(flags.json, { written }, `wrote ${written.join(' and ')}`);
    });
}

/**
 * The `mserve` command; what a command needs is loaded when it is used, because all of it takes a second. Rejects with CliError, ServingError,
 * ServableConfigError or CommanderError; main.ts turns them into text and exit code.
 */
export function mserveProgram(foreground: Foreground): Command {
  const program = new Command('mserve')
    .description('An inference server for ONNX, MindIR and OM models: REST, gRPC, Open Inference Protocol.')
    .version(packageVersion)
    .showHelpAfterError('(add --help for what is allowed)')
    .exitOverride()
    // Else `infer --version 1` would print the version of mserve
    .enablePositionalOptions();
  addServe(program, foreground);
  addInfer(program);
  addRun(program);
  addModel(program);
  addCheck(program);
  addInit(program);
  return program;
}
