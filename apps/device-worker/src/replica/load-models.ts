import { ServingError } from '@mserve/wire';
import type { SessionOptions } from '@mserve/native';
import { classNamesOf } from '@mserve/onnx';
import type { ModelDeclaration } from '@mserve/register';
import type { LoadedModel } from '../execution/executor.js';
import { inInputOrder, planModel, withClasses, type ModelPlan } from '../execution/model-plan.js';
import type { BatchingVerdict } from './batching-verdict.js';
import { closeAll } from './close-all.js';
import { deviceOfModel } from './device-of-model.js';
import { ModelFindings, type ModelFinding } from './model-findings.js';
import { ModelFileError, type DecryptionKey, type ModelFileRequest, type ModelOpeners, type OpenSession } from './model-loader.js';
import type { ModelUse } from './model-use.js';
import { compareWithPlain } from './plain-comparison.js';
import { outputRemarks, planSettled, settleBatching } from './settle-batching.js';

const probeTimeoutMs = 10_000;
/** What proof and probe may add to the time that a model takes to open: so much, or this share of it, whichever is more; what it takes in the end is a little more. */
const minBudgetMs = 30;
const budgetShare = 0.15;
/** How much longer a run may take without the runtime's optimisation. */
const plainRunFactor = 2;

/** Told about each model file. `ms` since the step before; `error` for state failed. */
export interface ModelProgress {
  readonly servable: string;
  readonly version: number;
  readonly deviceId: number;
  readonly model: string;
  readonly state: 'loading' | 'ready' | 'failed';
  readonly ms: number;
  readonly error?: string | undefined;
}

/** What models are opened with, and who is told. */
export interface LoadModelsOptions {
  readonly openers: ModelOpeners;
  /** By position in the declarations, one path per subgraph. */
  readonly paths: readonly (readonly string[])[];
  readonly session: SessionOptions;
  readonly decryption?: DecryptionKey | undefined;
  /** A run before a model is used. Without it there is no probe either, and the graph decides alone. */
  readonly warmUp: boolean;
  /** By position in the declarations. Default: no method uses them, and they are tried with made-up values. */
  readonly uses?: readonly ModelUse[] | undefined;
  /** Time for the probe of each model, in place of a share of the time it takes to open. */
  readonly probeBudgetMs?: number | undefined;
  /** Default: distributed models are refused. */
  readonly openRanks?: RanksOpener | undefined;
  readonly onProgress: (progress: Pick<ModelProgress, 'model' | 'state' | 'ms' | 'error'>) => void;
  /** What operators should know although the model is used: `cause` where something failed. */
  readonly onWarning: (text: string, cause?: unknown) => void;
  /** What was found out about a model. */
  readonly onVerdict?: ((model: string, verdict: BatchingVerdict) => void) | undefined;
}

/** Gives the subgraphs of a distributed model, each as a session, when the agents of all its ranks stand ready. */
export type RanksOpener = (declaration: ModelDeclaration, use: ModelUse | undefined) => Promise<readonly OpenSession[]>;

/** The open models of a servable version. */
export interface LoadedModels {
  /** By position in the declarations; each with its subgraphs in order. */
  readonly models: readonly (readonly LoadedModel[])[];
  /** Whether instances share runs, by position in the declarations: of subgraph 0. */
  readonly verdicts: readonly BatchingVerdict[];
  close(): Promise<void>;
}

/** Opens every model file of a servable, one after the other. Rejects with the first error, after closing what was open. */
export async function loadModels(declarations: readonly ModelDeclaration[], options: LoadModelsOptions): Promise<LoadedModels> {
  const open: OpenSession[] = [];
  const close = (): Promise<void> => closeAll(open.splice(0).map((session) => session.close()));
  try {
    const models: LoadedModel[][] = [];
    const verdicts: BatchingVerdict[] = [];
    for (const [i, declaration] of declarations.entries()) {
      const load = declaration.distributed === undefined ? loadModel : loadDistributedModel;
      const subgraphs = await load(declaration, i, options, open);
      models.push(subgraphs.map(({ model }) => model));
      verdicts.push((subgraphs[0] as Subgraph).verdict);
    }
    return { models, verdicts, close };
  } catch (thrown) {
    // The error of the load is the one to tell
    await close().catch(() => undefined);
    throw thrown;
  }
}

interface Subgraph {
  readonly model: LoadedModel;
  readonly verdict: BatchingVerdict;
}

async function loadModel(
  declaration: ModelDeclaration,
  index: number,
  options: LoadModelsOptions,
  open: OpenSession[],
): Promise<Subgraph[]> {
  const subgraphs: Subgraph[] = [];
  const plans: LoadedModel['plan'][] = [];
  for (const [subgraph, file] of declaration.files.entries()) {
    const startedAt = performance.now();
    const tell = (state: ModelProgress['state'], error?: string): void =>
      options.onProgress({ model: file, state, ms: performance.now() - startedAt, error });
    tell('loading');
    try {
      const path = options.paths[index]?.[subgraph];
      if (path === undefined) throw new ModelFileError('NOT_FOUND', file, 'was not found');
      const request = { path, file, session: sessionOptionsOf(declaration, options.session), decryption: options.decryption };
      const { session, readGraph, findings = new ModelFindings() } = await options.openers[declaration.format](request);
      open.push(session);
      const openMs = performance.now() - startedAt;
      // Stages use subgraph 0 only
      const use = subgraph === 0 ? options.uses?.[index] : undefined;
      const plan = withLabels(planModel(declaration, session.describe(), subgraph, use), session, readGraph);
      checkSameBatch(plan, plans[0]);
      plans.push(plan);
      for (const remark of outputRemarks(plan, session.describe())) options.onWarning(remark);
      const loaded: LoadedModel = { plan, session, concurrentRuns: options.session.concurrentRuns ?? 1 };
      subgraphs.push(await settled(loaded, { declaration, use, readGraph, findings, request, openMs }, options, open));
      tell('ready');
    } catch (thrown) {
      const error = namingFile(thrown, file);
      tell('failed', error.message);
      throw error;
    }
  }
  return subgraphs;
}

/** Class names are for people: a file that cannot be read again is served without. */
function withLabels(plan: ModelPlan, session: OpenSession, readGraph: Opening['readGraph']): ModelPlan {
  if (session.describe().hasClassicOperators !== true) return plan;
  try {
    return withClasses(plan, classNamesOf(readGraph()));
  } catch {
    return plan;
  }
}

/** A model whose subgraphs are sessions over agents: nothing is read here, and nothing can be opened twice. */
async function loadDistributedModel(
  declaration: ModelDeclaration,
  index: number,
  options: LoadModelsOptions,
  open: OpenSession[],
): Promise<Subgraph[]> {
  const { key, distributed } = declaration;
  const startedAt = performance.now();
  const tell = (state: ModelProgress['state'], error?: string): void =>
    options.onProgress({ model: key, state, ms: performance.now() - startedAt, error });
  tell('loading');
  try {
    if (options.openRanks === undefined) throw new ServingError('INVALID_ARGUMENT', 'distributed models cannot be loaded here');
    const sessions = await options.openRanks(declaration, options.uses?.[index]);
    open.push(...sessions);
    const subgraphs: Subgraph[] = [];
    for (const [subgraph, session] of sessions.entries()) {
      const plan = planModel(declaration, session.describe(), subgraph);
      checkSameBatch(plan, subgraphs[0]?.model.plan);
      // A stage takes the next batch while the one behind it works at this one
      const loaded: LoadedModel = { plan, session, concurrentRuns: distributed?.stageSize ?? 1 };
      const readGraph = (): never => {
        throw new ServingError('UNIMPLEMENTED', `it is shared out over ${distributed?.rankSize} ranks`);
      };
      // Stages use subgraph 0 only
      const use = subgraph === 0 ? options.uses?.[index] : undefined;
      const { verdict, probe } = await settleBatching(loaded, {
        declaration,
        readGraph,
        examples: inInputOrder(plan, use?.examples ?? []),
        budgetMs: options.probeBudgetMs ?? minBudgetMs,
        timeoutMs: probeTimeoutMs,
        runs: options.warmUp,
      });
      options.onVerdict?.(key, verdict);
      if (verdict.outcome === 'unproven' || verdict.outcome === 'refuted') options.onWarning(verdict.text);
      const model = { ...planSettled(loaded, declaration, verdict, use), isWarm: probe.first !== undefined };
      subgraphs.push({ model, verdict });
    }
    tell('ready');
    return subgraphs;
  } catch (thrown) {
    tell('failed', thrown instanceof Error ? thrown.message : String(thrown));
    throw thrown;
  }
}

interface Opening {
  readonly declaration: ModelDeclaration;
  readonly use: ModelUse | undefined;
  readonly readGraph: Parameters<typeof settleBatching>[1]['readGraph'];
  readonly findings: ModelFindings;
  readonly request: ModelFileRequest;
  readonly openMs: number;
}

/** The model as it is to be run: whether instances share runs, and which of two sessions can be believed. */
async function settled(loaded: LoadedModel, opening: Opening, options: LoadModelsOptions, open: OpenSession[]): Promise<Subgraph> {
  const { declaration, use, findings, request } = opening;
  let plain: OpenSession | undefined;
  const openPlain = async (): Promise<OpenSession> => {
    const session = { ...request.session, graphOptimization: 'none' as const };
    return (await options.openers[declaration.format]({ ...request, session })).session;
  };
  const { warmUp } = options;
  const finding = await findings.get({ declaration, subgraph: loaded.plan.subgraph, use, warmUp }, async () => {
    const found = await find(loaded, { ...opening, openPlain }, options);
    plain = found.plain;
    return found;
  });
  const { verdict, isWarm, plainText } = finding;
  options.onVerdict?.(request.file, verdict);
  if (verdict.outcome === 'unproven' || verdict.outcome === 'refuted') options.onWarning(verdict.text);
  if (warmUp && !isWarm) options.onWarning(`model '${request.file}' was not warmed up: ${finding.coldReason}`);
  const model = { ...planSettled(loaded, declaration, verdict, use), isWarm };
  if (plainText === undefined) return { model, verdict };
  const session = plain ?? (await openPlain());
  open.push(session);
  options.onWarning(`model '${request.file}' runs without optimisation: ${plainText}`);
  await (loaded.session as OpenSession).close();
  return { model: { ...model, session }, verdict };
}

interface Finding extends ModelFinding {
  /** The session without optimisation, when that is the one to be believed. */
  readonly plain: OpenSession | undefined;
}

/** Proof, probe and the comparison with the model as it is written. */
async function find(
  loaded: LoadedModel,
  opening: Opening & { readonly openPlain: () => Promise<OpenSession> },
  options: LoadModelsOptions,
): Promise<Finding> {
  const { declaration, use, openMs, openPlain } = opening;
  let graph: ReturnType<typeof opening.readGraph> | undefined;
  const readGraph = (): NonNullable<typeof graph> => (graph ??= opening.readGraph());
  const budgetMs = options.probeBudgetMs ?? Math.max(minBudgetMs, openMs * budgetShare);
  const until = performance.now() + budgetMs;
  const examples = inInputOrder(loaded.plan, use?.examples ?? []);
  const settling = { declaration, readGraph, examples, budgetMs, timeoutMs: probeTimeoutMs, runs: options.warmUp };
  const { verdict, probe } = await settleBatching(loaded, settling);
  const { first } = probe;
  if (first === undefined) return { verdict, isWarm: false, coldReason: probe.text, plainText: undefined, plain: undefined };
  const leftMs = until + probe.firstMs - performance.now();
  const fitsBudget = openMs + plainRunFactor * probe.firstMs <= leftMs;
  const plain = await compareWithPlain(loaded.session, first, { open: openPlain, fitsBudget, readGraph });
  return { verdict, isWarm: true, coldReason: '', plainText: plain?.text, plain: plain?.session };
}

/** The plan of a model's subgraph 0, which methods use. Throws ServingError INTERNAL when there is none. */
export function planOfModel(subgraphs: readonly LoadedModel[] | undefined): ModelPlan {
  const first = subgraphs?.[0];
  if (first === undefined) throw new ServingError('INTERNAL', 'a model without files was loaded');
  return first.plan;
}

/** The error, with the file in its text: a servable may have many, and most errors come from rooms that only see bytes. */
function namingFile(thrown: unknown, file: string): ServingError {
  if (thrown instanceof ModelFileError) return thrown;
  const code = thrown instanceof ServingError ? thrown.code : 'INVALID_ARGUMENT';
  const text = `model file '${file}': ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  return new ServingError(code, text, { cause: thrown });
}

/** The Context of the servable's declaration wins over what the worker would choose. */
function sessionOptionsOf(declaration: ModelDeclaration, session: SessionOptions): SessionOptions {
  const onDevice = session.device === undefined ? session : { ...session, device: deviceOfModel(session.device, declaration.options) };
  if (declaration.options?.kind !== 'context') return onDevice;
  const { threadNum, threadAffinityCoreList: cores, enableParallel } = declaration.options.values;
  const intraOpThreads = typeof threadNum === 'number' ? threadNum : session.intraOpThreads;
  return {
    ...onDevice,
    ...(intraOpThreads !== undefined && { intraOpThreads }),
    ...(enableParallel === true && { interOpThreads: Math.max(2, intraOpThreads ?? 1) }),
    ...(typeof cores === 'number' && { coreIds: [cores] }),
    ...(Array.isArray(cores) && { coreIds: cores.filter((core) => typeof core === 'number') }),
  };
}

function checkSameBatch(plan: LoadedModel['plan'], first: LoadedModel['plan'] | undefined): void {
  if (first === undefined || (first.batchSize === plan.batchSize && first.batching === plan.batching)) return;
  throw new ServingError(
    'INVALID_ARGUMENT',
    `Expect batch size to be same, subgraph 0 has ${first.batchSize}, subgraph ${plan.subgraph} has ${plan.batchSize}, model: ${plan.key}`,
  );
}
