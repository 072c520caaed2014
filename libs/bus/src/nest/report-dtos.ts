import 'reflect-metadata';
import { busNamePattern, maxVersion } from '@mserve/wire';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsDefined,
  IsIn,
  IsNumber,
  IsString,
  Matches,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { Type } from 'class-transformer';
import { replicaStates, type ReplicaStatus } from '../control/messages.js';
import type {
  AgentReport,
  GatewayHello,
  MethodWaits,
  MethodWork,
  ProcessReport,
  QueueReport,
  ReplicaUse,
  SchedulerReport,
  SizedRuns,
  StatsRequest,
  WorkerProcessReport,
  WorkerReport,
} from '../control/reports.js';
import { checked, count, listOf, optional, text, type Rule } from './checked.js';

const maxEntries = 10_000;
const name = text(1024);
const amount: readonly Rule[] = [IsNumber(), Min(0)];
/** Another message. */
export const part = (type: () => new () => object): readonly Rule[] => [IsDefined(), ValidateNested(), Type(type)];

/** The class that the delays of a received {@link ProcessReport} are checked against. */
export class LoopDelayDto extends checked<ProcessReport['loopDelayMs']>({ p50: amount, p99: amount, max: amount }) {}

/** The class that a received {@link ProcessReport} is checked against. */
export class ProcessReportDto extends checked<ProcessReport>({
  host: name,
  pid: count(),
  node: name,
  startedAt: amount,
  residentBytes: amount,
  heapUsedBytes: amount,
  externalBytes: amount,
  cpuCores: amount,
  loopBusy: amount,
  loopDelayMs: part(() => LoopDelayDto),
}) {}

/** The class that a received {@link GatewayHello} is checked against. */
export class GatewayHelloDto extends checked<GatewayHello>({
  address: [Matches(busNamePattern), MaxLength(200)],
  leaving: [IsBoolean()],
  process: part(() => ProcessReportDto),
}) {}

/** The class that a received {@link AgentReport} is checked against. */
export class AgentReportDto extends checked<AgentReport>({
  address: name,
  servable: name,
  rank: count(),
  process: optional(part(() => ProcessReportDto)),
}) {}

/** The class that a received {@link StatsRequest} is checked against. */
export class StatsRequestDto extends checked<StatsRequest>({ methods: optional([IsBoolean()]) }) {}

const methodNames = { servable: name, version: count(0, maxVersion), method: name };

/** The class that a received {@link MethodWaits} is checked against. */
export class MethodWaitsDto extends checked<MethodWaits>({ ...methodNames, assignments: count(), waitMs: amount }) {}

/** The class that a received {@link SizedRuns} is checked against. */
export class SizedRunsDto extends checked<SizedRuns>({
  instances: count(),
  runs: count(),
  inputMs: amount,
  computeMs: amount,
  outputMs: amount,
}) {}

/** The class that a received {@link MethodWork} is checked against. */
export class MethodWorkDto extends checked<MethodWork>({
  ...methodNames,
  assignments: count(),
  waitMs: amount,
  inputMs: amount,
  computeMs: amount,
  outputMs: amount,
  functionMs: amount,
  runs: listOf(() => SizedRunsDto, maxEntries),
}) {}

/** The class that a received {@link QueueReport} is checked against. */
export class QueueReportDto extends checked<QueueReport>({
  servable: name,
  version: count(0, maxVersion),
  method: name,
  instances: count(),
}) {}

/** The class that a replica in a received {@link WorkerReport} is checked against. */
export class ReportedReplicaDto extends checked<Omit<ReplicaStatus, 'signature' | 'content' | 'credits' | 'leastCredits'>>({
  replica: name,
  servable: name,
  version: count(0, maxVersion),
  deviceId: count(),
  state: [IsIn(replicaStates)],
  error: optional(text(65_536)),
}) {}

/** The class that a received {@link WorkerReport} is checked against. */
export class WorkerReportDto extends checked<WorkerReport>({
  address: name,
  leaving: [IsBoolean()],
  replicas: listOf(() => ReportedReplicaDto, maxEntries),
}) {}

/** The class that a received {@link ReplicaUse} is checked against. */
export class ReplicaUseDto extends checked<ReplicaUse>({
  replica: name,
  servable: name,
  version: count(0, maxVersion),
  credits: count(),
  inHand: count(),
  draining: [IsBoolean()],
  suspended: [IsBoolean()],
}) {}

/** The class that the received answer to `scheduler.stats` is checked against. */
export class SchedulerReportDto extends checked<SchedulerReport>({
  process: part(() => ProcessReportDto),
  queued: count(),
  running: count(),
  batches: count(),
  receipted: count(),
  retried: count(),
  undelivered: count(),
  averageBatchSize: amount,
  replicas: listOf(() => ReplicaUseDto, maxEntries),
  queues: listOf(() => QueueReportDto, maxEntries),
  workers: listOf(() => WorkerReportDto, maxEntries),
  setAside: [IsArray(), ArrayMaxSize(maxEntries), IsString({ each: true }), MaxLength(1024, { each: true })],
  methods: optional(listOf(() => MethodWaitsDto, maxEntries)),
}) {}

/** The class that the received answer to `worker.stats` is checked against. */
export class WorkerProcessReportDto extends checked<WorkerProcessReport>({
  process: part(() => ProcessReportDto),
  inHand: count(),
  agents: optional(listOf(() => AgentReportDto, maxEntries)),
  methods: optional(listOf(() => MethodWorkDto, maxEntries)),
}) {}
