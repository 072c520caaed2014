import {
  checkModels,
  checkServable,
  ServableConfigError,
  listServables,
  passedOverServables,
  type ModelsReport,
  type ServableReport,
} from '@mserve/device-worker';
import type { ModelKey } from '../model-file.js';
import { CliError } from '../cli-error.js';

/** What is to be checked. */
export interface CheckFlags {
  /** Default: every servable in the directory. */
  readonly servable?: readonly string[] | undefined;
  /** A folder that links may lead into. */
  readonly linkRoot?: string | undefined;
  /** Shared libraries with operators that ONNX Runtime does not have. */
  readonly operatorLibraries?: readonly string[] | undefined;
  /** For encrypted MindIR models of `servable`. */
  readonly key?: ModelKey | undefined;
}

/** One thing that is wrong with a servable. */
export interface CheckProblem {
  readonly text: string;
  /** The author's file, relative to the servable's folder, where that is known. */
  readonly file: string | undefined;
  readonly line: number | undefined;
}

/** What is said about one servable. */
export interface CheckedServable {
  readonly servable: string;
  /** No problems: it can be served. */
  readonly ok: boolean;
  readonly versions: readonly number[];
  /** undefined when the config could not be loaded. */
  readonly methods: readonly string[] | undefined;
  readonly problems: readonly CheckProblem[];
  /** Worth knowing, but nothing that keeps it from being served. */
  readonly remarks: readonly string[];
  /** Whether instances share runs, by model and version (docs/batching.md). */
  readonly batching: readonly CheckedModel[];
}

export interface CheckedModel {
  readonly version: number;
  readonly model: string;
  readonly outcome: ModelsReport['batching'][number]['outcome'];
  readonly text: string;
}

/** Looks at the servables of a directory without serving them: configs, versions, model files. Throws CliError when there is nothing to look at. */
export async function check(directory: string, flags: CheckFlags): Promise<CheckedServable[]> {
  let names: readonly string[];
  try {
    names = flags.servable ?? listServables(directory);
  } catch (error) {
    throw error instanceof ServableConfigError ? new CliError(error.message) : error;
  }
  if (names.length === 0) {
    const why = passedOver(directory).map((text) => `; ${text}`);
    throw new CliError(`there is no servable in ${directory}: a folder NAME with a servable_config.ts is expected${why.join('')}`);
  }
  const reports: CheckedServable[] = [];
  for (const name of new Set(names)) reports.push(await checkOne(directory, name, flags));
  return reports;
}

/** Why folders of a directory that have a servable_config are no servables. Empty when the directory cannot be read. */
export function passedOver(directory: string): string[] {
  try {
    return passedOverServables(directory);
  } catch (error) {
    if (error instanceof ServableConfigError) return [];
    throw error;
  }
}

async function checkOne(directory: string, name: string, { key, linkRoot, operatorLibraries }: CheckFlags): Promise<CheckedServable> {
  const report: ServableReport = await checkServable(directory, name, { linkRoot });
  const problems = [...report.problems];
  const remarks = [...report.remarks];
  const batching: CheckedModel[] = [];
  const { declaration, ofVersions } = report;
  for (const version of report.versions) {
    const declared = ofVersions.has(version) ? ofVersions.get(version) : declaration;
    // Only models have versions to look at; a servable without them runs as any version
    if (declared === undefined || declared.models.length === 0) continue;
    const found = await checkModels(directory, declared, version, { decryption: key, linkRoot, operatorLibraries });
    problems.push(...found.problems);
    remarks.push(...found.remarks);
    batching.push(...found.batching.map((model) => ({ version, ...model })));
  }
  return {
    servable: name,
    ok: problems.length === 0,
    versions: report.versions,
    methods: declaration?.methods.map((method) => method.name),
    problems: problems.map(problemOf),
    remarks,
    batching,
  };
}

function problemOf({ text, file, line }: ServableConfigError): CheckProblem {
  return { text, file, line };
}

/** One paragraph per servable; every problem on a line of its own that starts with its place, as compilers do. */
export function checkText(reports: readonly CheckedServable[]): string {
  const lines = reports.flatMap(({ servable, ok, versions, methods, problems, remarks, batching }) => {
    const version = versions.length === 0 ? '' : `, ${versions.length === 1 ? 'version' : 'versions'} ${versions.join(', ')}`;
    const found = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    const head = ok ? `✓ ${servable}${version}: ${methods?.join(', ') ?? ''}` : `✗ ${servable}: ${found}`;
    return [
      head,
      ...problems.map((problem) => `  ${placeOf(servable, problem)}${indented(problem.text)}`),
      ...batching
        .filter(({ outcome }) => outcome !== 'none')
        .map(({ version: number, outcome, text }) => `  version ${number}: batching ${outcome}: ${indented(text)}`),
      ...remarks.map((remark) => `  remark: ${indented(remark)}`),
    ];
  });
  const broken = reports.filter(({ ok }) => !ok).length;
  const count = reports.length === 1 ? '1 servable' : `${reports.length} servables`;
  return [...lines, '', broken === 0 ? `${count} checked, nothing wrong.` : `${count} checked, ${broken} cannot be served.`].join('\n');
}

function placeOf(servable: string, { file, line }: CheckProblem): string {
  return file === undefined ? '' : `${servable}/${file}${line === undefined ? '' : `:${line}`}: `;
}

function indented(text: string): string {
  return text.replaceAll('\n', '\n    ');
}
