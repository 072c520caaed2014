import 'reflect-metadata';
import {
  busNamePattern,
  dtypeTable,
  isServableName,
  maxRank,
  maxVersion,
  servableNameRule,
  type BatchingReport,
  type DType,
  type ExampleTensor,
  type MethodSignature,
  type ServableSignature,
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
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateBy,
  ValidateNested,
} from 'class-validator';
import type {
  Catalog,
  FindServables,
  FoundServable,
  FoundServables,
  FoundVersion,
  LoadServable,
  LoadingServable,
  ReplicaState,
  ReplicaStatus,
  SchedulerHello,
  ServableStatus,
  UnloadServable,
  WorkerHello,
} from '../control/messages.js';

/** Bounds of what another process may claim. */
const maxEntries = 10_000;
const maxTensors = 1024;
const maxNameLength = 1024;
const maxDocLength = 65_536;
const maxExampleLength = 65_536;
const states: readonly ReplicaState[] = ['loading', 'ready', 'draining', 'gone', 'failed'];
const batchingOutcomes: readonly BatchingReport['outcome'][] = ['proven', 'trusted', 'off', 'none', 'unproven', 'refuted'];
const dtypes = dtypeTable.map(({ dtype }) => dtype);

const maxUint32 = 0xffffffff;

/** A whole number from `from` to `to`. */
function Count(from = 0, to = Number.MAX_SAFE_INTEGER): PropertyDecorator {
  return (target, property) => {
    IsInt()(target, property as string);
    Min(from)(target, property as string);
    Max(to)(target, property as string);
  };
}

function Name(): PropertyDecorator {
  return (target, property) => {
    IsString()(target, property as string);
    MaxLength(maxNameLength)(target, property as string);
  };
}

/** What a servable's folder may be called. */
function ServableName(): PropertyDecorator {
  return ValidateBy({
    name: 'isServableName',
    validator: {
      validate: (value) => typeof value === 'string' && isServableName(value),
      defaultMessage: () => `servable must be ${servableNameRule}`,
    },
  });
}

/** A list of nested messages. */
function ListOf(type: () => new () => object, maxSize: number): PropertyDecorator {
  return (target, property) => {
    IsArray()(target, property as string);
    ArrayMaxSize(maxSize)(target, property as string);
    ValidateNested({ each: true })(target, property as string);
    Type(type)(target, property as string);
  };
}

class HelloDto {
  @Matches(busNamePattern)
  @MaxLength(200)
  readonly address!: string;

  @Count()
  readonly epoch!: number;

  @Count()
  readonly revision!: number;

  @IsBoolean()
  readonly leaving!: boolean;
}

/** The class that a received {@link SchedulerHello} is checked against. */
export class SchedulerHelloDto extends HelloDto implements SchedulerHello {}
/** The class that a received {@link WorkerHello} is checked against. */
export class WorkerHelloDto extends HelloDto implements WorkerHello {}

/** The class that a received {@link ExampleTensor} is checked against. */
export class ExampleTensorDto implements ExampleTensor {
  @IsIn(dtypes)
  readonly dtype!: DType;

  @IsArray()
  @ArrayMaxSize(maxRank)
  @IsInt({ each: true })
  @Min(0, { each: true })
  readonly shape!: readonly number[];

  @IsString()
  @MaxLength(maxExampleLength)
  readonly b64!: string;
}

/** The class that a received {@link TensorSignature} is checked against. */
export class TensorSignatureDto implements TensorSignature {
  @Name()
  readonly name!: string;

  @IsOptional()
  @IsIn(dtypes)
  readonly dtype?: DType;

  @IsOptional()
  @IsArray()
  @ArrayMaxSize(maxRank)
  @IsInt({ each: true })
  @Min(-1, { each: true })
  readonly shape?: readonly number[];

  @IsOptional()
  @IsBoolean()
  readonly optional?: boolean;

  @IsOptional()
  @IsString()
  @MaxLength(maxDocLength)
  readonly doc?: string;

  @IsOptional()
  @ValidateNested()
  @Type(() => ExampleTensorDto)
  readonly example?: ExampleTensorDto;
}

export class BatchingReportDto implements BatchingReport {
  @IsIn(batchingOutcomes)
  readonly outcome!: BatchingReport['outcome'];

  @IsString()
  @MaxLength(maxDocLength)
  readonly reason!: string;
}

/** The class that a received {@link MethodSignature} is checked against. */
export class MethodSignatureDto implements MethodSignature {
  @Name()
  readonly name!: string;

  @ListOf(() => TensorSignatureDto, maxTensors)
  readonly inputs!: readonly TensorSignatureDto[];

  @ListOf(() => TensorSignatureDto, maxTensors)
  readonly outputs!: readonly TensorSignatureDto[];

  @IsBoolean()
  readonly batched!: boolean;

  @Count(1, maxUint32)
  readonly batchSize!: number;

  @IsOptional()
  @ValidateNested()
  @Type(() => BatchingReportDto)
  readonly batching?: BatchingReportDto;

  @IsOptional()
  @IsString()
  @MaxLength(maxDocLength)
  readonly doc?: string;
}

/** The class that a received {@link ServableSignature} is checked against. */
export class ServableSignatureDto implements ServableSignature {
  @Name()
  readonly servable!: string;

  @Count(1, maxVersion)
  readonly version!: number;

  @ListOf(() => MethodSignatureDto, maxEntries)
  readonly methods!: readonly MethodSignatureDto[];
}

/** The class that a received {@link ServableStatus} is checked against. */
export class ServableStatusDto implements ServableStatus {
  @IsDefined()
  @ValidateNested()
  @Type(() => ServableSignatureDto)
  readonly signature!: ServableSignatureDto;

  @Count()
  readonly readyReplicas!: number;

  @Count()
  readonly queued!: number;
}

/** The class that a received {@link LoadingServable} is checked against. */
export class LoadingServableDto implements LoadingServable {
  @Name()
  readonly servable!: string;

  @Count(0, maxVersion)
  readonly version!: number;
}

/** The class that a received {@link Catalog} is checked against. */
export class CatalogDto implements Catalog {
  @Count()
  readonly revision!: number;

  @ListOf(() => ServableStatusDto, maxEntries)
  readonly servables!: readonly ServableStatusDto[];

  @IsOptional()
  @ListOf(() => LoadingServableDto, maxEntries)
  readonly loading?: readonly LoadingServableDto[];
}

/** The class that a received {@link ReplicaStatus} is checked against. */
export class ReplicaStatusDto implements ReplicaStatus {
  @Name()
  readonly replica!: string;

  @Name()
  readonly servable!: string;

  @Count(0, maxVersion)
  readonly version!: number;

  @Count()
  readonly deviceId!: number;

  @IsIn(states)
  readonly state!: ReplicaState;

  @Count()
  readonly credits!: number;

  @IsOptional()
  @ValidateNested()
  @Type(() => ServableSignatureDto)
  readonly signature?: ServableSignatureDto;

  @IsOptional()
  @IsString()
  @MaxLength(maxDocLength)
  readonly error?: string;
}

const maxDevices = 1024;
const maxFunctionThreads = 64;
const maxGraceMs = 24 * 60 * 60 * 1000;

/** The class that a received {@link LoadServable} is checked against. */
export class LoadServableDto implements LoadServable {
  @ServableName()
  readonly servable!: string;

  @Count(0, maxVersion)
  readonly version!: number;

  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(maxDevices)
  @ArrayUnique()
  @IsInt({ each: true })
  @Min(0, { each: true })
  readonly deviceIds?: readonly number[];

  @IsOptional()
  @Count(0, maxFunctionThreads)
  readonly numParallelWorkers?: number;

  @IsOptional()
  @IsBoolean()
  readonly reload?: boolean;
}

/** The class that a received {@link FindServables} is checked against. */
export class FindServablesDto implements FindServables {
  @IsOptional()
  @ServableName()
  readonly servable?: string;
}

export class FoundVersionDto implements FoundVersion {
  @Count(1, maxVersion)
  readonly version!: number;

  @IsBoolean()
  readonly wanted!: boolean;

  @IsBoolean()
  readonly changed!: boolean;
}

export class FoundServableDto implements FoundServable {
  @Name()
  readonly servable!: string;

  @ListOf(() => FoundVersionDto, maxEntries)
  readonly versions!: readonly FoundVersionDto[];
}

/** The class that a received {@link FoundServables} is checked against. */
export class FoundServablesDto implements FoundServables {
  @Name()
  readonly host!: string;

  @ListOf(() => FoundServableDto, maxEntries)
  readonly servables!: readonly FoundServableDto[];
}

/** The class that a received {@link UnloadServable} is checked against. */
export class UnloadServableDto implements UnloadServable {
  @ServableName()
  readonly servable!: string;

  @Count(0, maxVersion)
  readonly version!: number;

  @IsOptional()
  @Count(0, maxGraceMs)
  readonly graceMs?: number;
}

/** A ReplicaList of which only the list itself is checked: a replica in it that makes no sense must not keep the others from serving. */
export class ReplicaListDto {
  @Count()
  readonly revision!: number;

  @IsArray()
  @ArrayMaxSize(maxEntries)
  readonly replicas!: readonly unknown[];
}
