import type { ReplicaList, ReplicaState, ReplicaStatus, SchedulerHello, WorkerHello } from '@mserve/bus';
import { dtypeTable, type DType, type MethodSignature, type ServableSignature, type TensorSignature } from '@mserve/wire';
import { Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsBoolean, IsIn, IsInt, IsNumber, IsOptional, IsString, Matches, Max, MaxLength, Min, ValidateNested } from 'class-validator';

/** Bus addresses and replica ids; anything else could not be sent to. */
const addressPattern = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const maxListed = 10_000;
const dtypeNames = dtypeTable.map((entry) => entry.dtype);

/** Beacon of a worker (`workers.hello`) or of a scheduler (`schedulers.hello`). */
export class HelloMessage implements WorkerHello, SchedulerHello {
  @Matches(addressPattern)
  @MaxLength(200)
  readonly address!: string;

  @IsNumber()
  readonly epoch!: number;

  @IsInt()
  @Min(0)
  readonly revision!: number;

  @IsBoolean()
  readonly leaving!: boolean;
}

class TensorMessage implements TensorSignature {
  @IsString()
  readonly name!: string;

  @IsOptional()
  @IsIn(dtypeNames)
  readonly dtype?: DType;

  @IsOptional()
  @IsArray()
  @ArrayMaxSize(64)
  @IsInt({ each: true })
  @Min(-1, { each: true })
  readonly shape?: readonly number[];

  @IsOptional()
  @IsString()
  readonly doc?: string;
}

class MethodMessage implements MethodSignature {
  @IsString()
  @MaxLength(500)
  readonly name!: string;

  @IsArray()
  @ArrayMaxSize(maxListed)
  @ValidateNested({ each: true })
  @Type(() => TensorMessage)
  readonly inputs!: readonly TensorMessage[];

  @IsArray()
  @ArrayMaxSize(maxListed)
  @ValidateNested({ each: true })
  @Type(() => TensorMessage)
  readonly outputs!: readonly TensorMessage[];

  @IsBoolean()
  readonly batched!: boolean;

  @IsInt()
  @Min(1)
  readonly batchSize!: number;

  @IsOptional()
  @IsString()
  readonly doc?: string;
}

class SignatureMessage implements ServableSignature {
  @IsString()
  @MaxLength(500)
  readonly servable!: string;

  @IsInt()
  @Min(1)
  readonly version!: number;

  @IsArray()
  @ArrayMaxSize(maxListed)
  @ValidateNested({ each: true })
  @Type(() => MethodMessage)
  readonly methods!: readonly MethodMessage[];
}

const states: readonly ReplicaState[] = ['loading', 'ready', 'draining', 'gone', 'failed'];

class ReplicaMessage implements ReplicaStatus {
  @Matches(addressPattern)
  @MaxLength(250)
  readonly replica!: string;

  @IsString()
  @MaxLength(500)
  readonly servable!: string;

  @IsInt()
  @Min(0)
  readonly version!: number;

  @IsInt()
  readonly deviceId!: number;

  @IsIn(states)
  readonly state!: ReplicaState;

  @IsInt()
  @Min(0)
  @Max(1_000_000)
  readonly credits!: number;

  @IsOptional()
  @ValidateNested()
  @Type(() => SignatureMessage)
  readonly signature?: SignatureMessage;

  @IsOptional()
  @IsString()
  readonly error?: string;
}

/** Answer of a worker to `replicas.list`. */
export class ReplicaListMessage implements ReplicaList {
  @IsInt()
  @Min(0)
  readonly revision!: number;

  @IsArray()
  @ArrayMaxSize(maxListed)
  @ValidateNested({ each: true })
  @Type(() => ReplicaMessage)
  readonly replicas!: readonly ReplicaMessage[];
}
