import { busNamePattern, maxVersion } from '@mserve/wire';
import { ArrayMaxSize, IsArray, IsBoolean, IsIn, IsInt, Matches, MaxLength, Min } from 'class-validator';
import type {
  AbortAgent,
  AcquiredRanks,
  AcquireRanks,
  AgentDescription,
  AgentHello,
  AgentState,
  AgentStatus,
  Endpoint,
  FormAgent,
  Mesh,
  WorkerClaim,
} from '../control/agents.js';
import { checked, count, listOf, optional, text, type Rule } from './checked.js';
import { part, ProcessReportDto } from './report-dtos.js';

const maxRanks = 65_536;
const maxSubgraphs = 1024;
const maxPorts = 65_536;
const maxTableLength = 16 * 1024 * 1024;
const dayMs = 24 * 60 * 60 * 1000;
const states: readonly AgentState[] = ['reading', 'read', 'loading', 'loaded', 'failed'];

const busAddress: readonly Rule[] = [Matches(busNamePattern), MaxLength(200)];
const name = text(1024);
const reason = text(65_536);
const state: readonly Rule[] = [IsIn(states)];
const claim = { worker: busAddress, leaseMs: count(1, dayMs) };

/** The class that a received {@link AgentHello} is checked against. */
export class AgentHelloDto extends checked<AgentHello>({
  address: busAddress,
  epoch: count(),
  servable: name,
  version: count(0, maxVersion),
  rank: count(0, maxRanks),
  revision: count(),
  leaving: [IsBoolean()],
  process: optional(part(() => ProcessReportDto)),
}) {}

/** The class that a received {@link AgentDescription} is checked against; its subgraphs are checked by who reads them. */
export class AgentDescriptionDto extends checked<AgentDescription>({
  servable: name,
  rank: count(0, maxRanks),
  rankSize: count(1, maxRanks),
  revision: count(),
  state,
  problem: optional(reason),
  subgraphs: [IsArray(), ArrayMaxSize(maxSubgraphs)],
}) {}

/** The class that a received {@link WorkerClaim} is checked against. */
export class WorkerClaimDto extends checked<WorkerClaim>(claim) {}

/** The class that a received {@link Endpoint} is checked against. */
export class EndpointDto extends checked<Endpoint>({ host: name, address: name, port: count(0, 65_535) }) {}

/** The class that a received {@link Mesh} is checked against. */
export class MeshDto extends checked<Mesh>({ endpoints: listOf(() => EndpointDto, maxRanks) }) {}

/** The class that a received {@link FormAgent} is checked against. */
export class FormAgentDto extends checked<FormAgent>({
  ...claim,
  epoch: count(1),
  token: text(256),
  meshes: listOf(() => MeshDto, maxSubgraphs),
  deadlineMs: count(1, dayMs),
}) {}

/** The class that a received {@link AbortAgent} is checked against. */
export class AbortAgentDto extends checked<AbortAgent>({ ...claim, reason }) {}

/** The class that a received {@link AgentStatus} is checked against. */
export class AgentStatusDto extends checked<AgentStatus>({
  state,
  problem: optional(reason),
  epoch: count(),
  endpoints: listOf(() => EndpointDto, maxSubgraphs),
}) {}

/** The class that a received {@link AcquireRanks} is checked against. */
export class AcquireRanksDto extends checked<AcquireRanks>({ servable: optional(name) }) {}

class AcquiredRankDto extends checked<AcquiredRanks['ranks'][number]>({ ip: name, deviceId: count() }) {}

/** The class that a received {@link AcquiredRanks} is checked against. */
export class AcquiredRanksDto extends checked<AcquiredRanks>({
  servable: name,
  version: count(1, maxVersion),
  rankSize: count(1, maxRanks),
  stageSize: count(1, maxRanks),
  ranks: listOf(() => AcquiredRankDto, maxRanks),
  rankTable: text(maxTableLength),
  withBatchDim: [IsBoolean()],
  withoutBatchDimInputs: [IsArray(), ArrayMaxSize(maxPorts), IsInt({ each: true }), Min(0, { each: true })],
  inputCount: optional(count(0, maxPorts)),
  outputCount: optional(count(0, maxPorts)),
}) {}
