import 'reflect-metadata';
import {
  busNamePattern,
  dtypeTable,
  isServableName,
  maxRank,
  maxVersion,
  batchingOutcomes,
  servableNameRule,
  type BatchingReport,
  type ContextSignature,
  type ExampleTensor,
  type MethodSignature,
  type ServableSignature,
  type StageGraph,
  type StageSignature,
  type StageSource,
  type TensorSignature,
} from '@mserve/wire';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsDefined,
  IsIn,
  IsInt,
  IsString,
  Matches,
  MaxLength,
  Min,
  ValidateBy,
  ValidateNested,
} from 'class-validator';
import { checked, count, listOf, optional, text, type Rule } from './checked.js';
import {
  replicaStates,
  type Catalog,
  type FindServables,
  type FoundServable,
  type FoundServables,
  type FoundVersion,
  type Hello,
  type LoadServable,
  type LoadingServable,
  type ReplicaList,
  type ReplicaStatus,
  type ServableStatus,
  type UnloadServable,
} from '../control/messages.js';

/** Bounds of what another process may claim. */
const maxEntries = 10_000;
const maxClasses = 1000;
const maxTensors = 1024;
const maxStages = 1000;
const maxNameLength = 1024;
const maxDocLength = 65_536;
const maxExampleLength = 65_536;
const dtypes = dtypeTable.map(({ dtype }) => dtype);

const maxUint32 = 0xffffffff;
const maxDevices = 1024;
const maxFunctionThreads = 64;
const maxGraceMs = 24 * 60 * 60 * 1000;

/** A list of whole numbers. */
const wholes = (from: number, maxSize: number): readonly Rule[] => [
  IsArray(),
  ArrayMaxSize(maxSize),
  IsInt({ each: true }),
  Min(from, { each: true }),
];

const name = text(maxNameLength);
const doc = text(maxDocLength);

/** Labels of classes: all texts, or all whole numbers. */
const labels: readonly Rule[] = [
  ValidateBy({
    name: 'isLabels',
    validator: {
      validate: (value) =>
        Array.isArray(value) &&
        value.length <= maxClasses &&
        (value.every((label) => typeof label === 'string' && label.length <= maxDocLength) ||
          value.every((label) => Number.isSafeInteger(label))),
      defaultMessage: () => 'classes must be a list of texts or of whole numbers',
    },
  }),
];

/** What a servable's folder may be called. */
const servableName: readonly Rule[] = [
  ValidateBy({
    name: 'isServableName',
    validator: {
      validate: (value) => typeof value === 'string' && isServableName(value),
      defaultMessage: () => `servable must be ${servableNameRule}`,
    },
  }),
];

/** A message in the message. */
const nested = (type: () => new () => object): readonly Rule[] => [ValidateNested(), Type(type)];

const helloRules = { address: [Matches(busNamePattern), MaxLength(200)], epoch: count(), revision: count(), leaving: [IsBoolean()] };

/** The class that a received {@link SchedulerHello} is checked against. */
export class SchedulerHelloDto extends checked<Hello>(helloRules) {}

/** The class that a received {@link WorkerHello} is checked against. */
export class WorkerHelloDto extends checked<Hello>(helloRules) {}

/** The class that a received {@link ExampleTensor} is checked against. */
export class ExampleTensorDto extends checked<ExampleTensor>({
  dtype: [IsIn(dtypes)],
  shape: wholes(0, maxRank),
  b64: text(maxExampleLength),
}) {}

/** The class that a received {@link TensorSignature} is checked against. */
export class TensorSignatureDto extends checked<TensorSignature>({
  name,
  dtype: optional([IsIn(dtypes)]),
  shape: optional(wholes(-1, maxRank)),
  optional: optional([IsBoolean()]),
  classes: optional(labels),
  doc: optional(doc),
  example: optional(nested(() => ExampleTensorDto)),
}) {}

/** The class that a received {@link BatchingReport} is checked against. */
export class BatchingReportDto extends checked<BatchingReport>({ outcome: [IsIn(batchingOutcomes)], reason: doc }) {}

/** The class that a received {@link ContextSignature} is checked against. */
export class ContextSignatureDto extends checked<ContextSignature>({
  headers: [IsArray(), ArrayMaxSize(maxTensors), IsString({ each: true }), MaxLength(maxNameLength, { each: true })],
}) {}

/** The class that a received {@link StageSource} is checked against. */
export class StageSourceDto extends checked<{ from: StageSource['from']; index?: number; stage?: number; output?: number }>({
  from: [IsIn(['input', 'stage'])],
  index: optional(count(0, maxTensors)),
  stage: optional(count(0, maxStages)),
  output: optional(count(0, maxTensors)),
}) {}

/** The class that a received {@link StageSignature} is checked against. */
export class StageSignatureDto extends checked<StageSignature>({
  number: count(1, maxStages),
  kind: [IsIn(['function', 'model'])],
  name,
  inputs: listOf(() => StageSourceDto, maxTensors),
}) {}

/** The class that a received {@link StageGraph} is checked against. */
export class StageGraphDto extends checked<StageGraph>({
  stages: listOf(() => StageSignatureDto, maxStages),
  returns: listOf(() => StageSourceDto, maxTensors),
}) {}

/** The class that a received {@link MethodSignature} is checked against. */
export class MethodSignatureDto extends checked<MethodSignature>({
  name,
  inputs: listOf(() => TensorSignatureDto, maxTensors),
  outputs: listOf(() => TensorSignatureDto, maxTensors),
  batched: [IsBoolean()],
  batchSize: count(1, maxUint32),
  batching: optional(nested(() => BatchingReportDto)),
  doc: optional(doc),
  context: optional(nested(() => ContextSignatureDto)),
  graph: optional(nested(() => StageGraphDto)),
}) {}

/** The class that a received {@link ServableSignature} is checked against. */
export class ServableSignatureDto extends checked<ServableSignature>({
  servable: name,
  version: count(1, maxVersion),
  methods: listOf(() => MethodSignatureDto, maxEntries),
}) {}

/** The class that a received {@link ServableStatus} is checked against. */
export class ServableStatusDto extends checked<ServableStatus>({
  signature: [IsDefined(), ...nested(() => ServableSignatureDto)],
  readyReplicas: count(),
  queued: count(),
}) {}

/** The class that a received {@link LoadingServable} is checked against. */
export class LoadingServableDto extends checked<LoadingServable>({ servable: name, version: count(0, maxVersion) }) {}

/** A {@link Catalog} of which the servables are not checked: that is done one by one, with {@link ServableStatusDto}. */
export class CatalogDto extends checked<Omit<Catalog, 'servables'> & { readonly servables: readonly unknown[] }>({
  revision: count(),
  servables: [IsArray(), ArrayMaxSize(maxEntries)],
  loading: optional(listOf(() => LoadingServableDto, maxEntries)),
}) {}

/** The class that a received {@link ReplicaStatus} is checked against. */
export class ReplicaStatusDto extends checked<ReplicaStatus>({
  replica: name,
  servable: name,
  version: count(0, maxVersion),
  deviceId: count(),
  state: [IsIn(replicaStates)],
  credits: count(),
  leastCredits: optional(count(1)),
  signature: optional(nested(() => ServableSignatureDto)),
  content: optional(name),
  error: optional(doc),
}) {}

/** The class that a received {@link LoadServable} is checked against. */
export class LoadServableDto extends checked<LoadServable>({
  servable: servableName,
  version: count(0, maxVersion),
  deviceIds: optional([...wholes(0, maxDevices), ArrayMinSize(1), ArrayUnique()]),
  numParallelWorkers: optional(count(0, maxFunctionThreads)),
  reload: optional([IsBoolean()]),
}) {}

/** The class that a received {@link FindServables} is checked against. */
export class FindServablesDto extends checked<FindServables>({ servable: optional(servableName) }) {}

/** The class that a received {@link FoundVersion} is checked against. */
export class FoundVersionDto extends checked<FoundVersion>({
  version: count(1, maxVersion),
  wanted: [IsBoolean()],
  changed: [IsBoolean()],
}) {}

/** The class that a received {@link FoundServable} is checked against. */
export class FoundServableDto extends checked<FoundServable>({ servable: name, versions: listOf(() => FoundVersionDto, maxEntries) }) {}

/** The class that a received {@link FoundServables} is checked against. */
export class FoundServablesDto extends checked<FoundServables>({ host: name, servables: listOf(() => FoundServableDto, maxEntries) }) {}

/** The class that a received {@link UnloadServable} is checked against. */
export class UnloadServableDto extends checked<UnloadServable>({
  servable: servableName,
  version: count(0, maxVersion),
  graceMs: optional(count(0, maxGraceMs)),
}) {}

/** A {@link ReplicaList} of which only the list itself is checked: a replica in it that is not valid must not keep the others from serving. */
export class ReplicaListDto extends checked<Omit<ReplicaList, 'replicas'> & { readonly replicas: readonly unknown[] }>({
  revision: count(),
  replicas: [IsArray(), ArrayMaxSize(maxEntries)],
}) {}
