import { settings } from '@mserve/config';
import { maxVersion } from '@mserve/wire';
import { Command, Option } from 'commander';
import { Reported } from '../cli-error.js';
import type { FleetSize } from '../fleet/bus-credentials.js';
import { addApp } from './app-command.js';
import { addBench } from './bench-command.js';
import { checkCommand } from './check-command.js';
import { infer } from './infer.js';
import { init, initText } from './init.js';
import { addModels } from './models-command.js';
import { addTypes } from './types-command.js';
import { decryptionMode, readKey, type KeyFlags } from './key.js';
import { addDistributed } from './distributed.js';
import { addFleet } from './fleet-command.js';
import { serveInForeground, type Foreground } from './foreground.js';
import { serveCommand, serveHelp } from './serve.js';
import { collect, serverAddress, wholeNumber } from './option-values.js';
import { print } from './text.js';
import { addTop } from './top-command.js';
import { packageVersion } from './version.js';

const keyFileFlag = new Option(
  '--dec-key-file <file>',
  'file with the key of an encrypted MindIR: 16, 24 or 32 bytes, or as many in hexadecimal',
);
const keyModeFlag = new Option('--dec-mode <mode>', 'AES-GCM, AES-CBC or SM4-CBC; only checked, the file says which').argParser(
  decryptionMode,
);
const operatorLibrariesFlag = new Option(
  '--operator-libraries <file,file>',
  'shared libraries with operators that ONNX Runtime does not have',
).argParser((text) => text.split(','));
const jsonFlag = new Option('--json', 'print one line of JSON instead of text').default(false);

/** Its flags are the settings, which libs/config reads; commander only hands them over. */
function addServe(program: Command, foreground: Foreground): void {
  program
    .command('serve')
    .argument('[args...]')
    .description('serve every servable of a directory, all in this process')
    .usage('[DIR] [flags]')
    .helpOption(false)
    .allowUnknownOption()
    .configureHelp({ formatHelp: () => serveHelp(serveCommand) })
    .action((args: readonly string[]) =>
      serveInForeground(args, foreground, serveCommand, async (chosen, options) =>
        (await import('../server.js')).startSettledServer(chosen, options),
      ),
    );
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
    .option('--rest <host:port>', 'REST address of the server', serverAddress, settings.rest.default)
    .option('--server <address>', 'in its place, an address as Client of @mserve/client takes it: grpc://HOST:PORT, https://HOST:PORT, ...')
    .option('--timeout-ms <n>', 'give up after this long', wholeNumber(1, 86_400_000), 60_000)
    .addOption(jsonFlag)
    .action(
      async (flags: {
        servable: string;
        method: string;
        versionNumber?: number;
        input: string[];
        rest: string;
        server?: string;
        timeoutMs: number;
        json: boolean;
      }) => {
        const { versionNumber: version, server = flags.rest, json } = flags;
        process.stdout.write(`${await infer({ ...flags, version, server, indent: json ? 0 : 1 })}\n`);
      },
    );
}

interface RunCommandFlags extends KeyFlags {
  readonly input: string[];
  readonly outputDir?: string;
  readonly threads: number;
  readonly operatorLibraries?: readonly string[];
  readonly json: boolean;
}

function addRun(program: Command): void {
  program
    .command('run')
    .argument('<model>', 'model file (ONNX or MindIR)')
    .description('run a model file once, without a server')
    .option('--input <file.npy>', 'an input, in the model’s order, or name=file.npy; once per input', collect(String), [])
    .option('--output-dir <dir>', 'write output_0.npy, output_1.npy, ... there')
    .option('--threads <n>', 'threads inside the run (0 = one per core)', wholeNumber(0, 1024), 0)
    .addOption(operatorLibrariesFlag)
    .addOption(keyFileFlag)
    .addOption(keyModeFlag)
    .addOption(jsonFlag)
    .action(async (model: string, flags: RunCommandFlags) => {
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
    .argument('[dir]', 'directory that holds one folder per servable (default: the one that the config file names)')
    .description('load every servable in DIR without serving it, look at a config file, and say everything that is wrong')
    .option('--config <file>', 'check this config file of mserve serve')
    .option('--servable <name>', 'check only this one; may be given several times', collect(String))
    .option('--link-root <dir>', 'folder that links in DIR may lead into')
    .addOption(operatorLibrariesFlag)
    .addOption(keyFileFlag)
    .addOption(keyModeFlag)
    .addOption(jsonFlag)
    .action(checkCommand);
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
    .addOption(operatorLibrariesFlag)
    .addOption(keyFileFlag)
    .addOption(keyModeFlag)
    .addOption(jsonFlag)
    .action(async (file: string, flags: KeyFlags & { json: boolean; operatorLibraries?: readonly string[] }) => {
      const { inspectionText, inspectModel } = await import('./model.js');
      const inspection = await inspectModel(file, readKey(flags), flags.operatorLibraries);
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

function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('what this machine can run models on: devices, drivers, libraries, and what is missing')
    .option('--onnxruntime-library <path>', 'ONNX Runtime to ask (default: looked for, see docs/devices.md)')
    .addOption(jsonFlag)
    .action(async (flags: { onnxruntimeLibrary?: string; json: boolean }) => {
      const { doctorText, examineMachine } = await import('./doctor.js');
      const machine = await examineMachine(flags.onnxruntimeLibrary);
      print(flags.json, machine, doctorText(machine));
      if (!machine.ok) throw new Reported();
    });
}

function addBusCredentials(program: Command): void {
  const count = wholeNumber(0, 10_000);
  program
    .command('bus-credentials')
    .argument('<dir>', 'where to (made when it is not there); nothing there is written over')
    .description('make an nkey for each process of a fleet, and the users of its nats-server')
    .option('--gateways <n>', 'gateways', count, 1)
    .option('--admins <n>', 'gateways that may change versions too', count, 0)
    .option('--schedulers <n>', 'schedulers', count, 1)
    .option('--workers <n>', 'device-workers', count, 1)
    .option('--subject-prefix <text>', 'first part of every NATS subject', settings.subjectPrefix.default)
    .addOption(jsonFlag)
    .action(async (dir: string, flags: FleetSize & { subjectPrefix: string; json: boolean }) => {
      const { credentialsText, membersOf, writeBusCredentials } = await import('../fleet/bus-credentials.js');
      const written = writeBusCredentials(dir, membersOf(flags), flags.subjectPrefix);
      print(flags.json, written, credentialsText(written));
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
  addDistributed(program, foreground);
  addFleet(program, foreground);
  addApp(program);
  addInfer(program);
  addBench(program, foreground);
  addTop(program, foreground);
  addTypes(program);
  addRun(program);
  addModel(program);
  addModels(program);
  addCheck(program);
  addInit(program);
  addDoctor(program);
  addBusCredentials(program);
  return program;
}
