import { maxVersion, servingErrorCodes, type ServingErrorCode } from '@mserve/wire';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsBoolean, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import type {
  ListedReplica,
  ListedServable,
  ListedVersion,
  ListedWorker,
  ModelChange,
  ModelList,
  WorkerResult,
} from '../models/model-change.js';

/** Bodies and answers of the admin API; their schemas are in its /openapi.json. */

const dayMs = 86_400_000;

/** Body of POST /admin/models/{servable}/unload. */
export class UnloadRequest {
  @ApiPropertyOptional({
    type: Number,
    minimum: 0,
    maximum: maxVersion,
    description: '0 or absent: load and switch take the highest on disk, unload takes all',
  })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(maxVersion)
  readonly version?: number;

  @ApiPropertyOptional({ type: [String], description: 'bus addresses of workers; absent: every worker that has the servable' })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(10_000)
  @IsString({ each: true })
  @MaxLength(200, { each: true })
  readonly workers?: readonly string[];

  @ApiPropertyOptional({
    type: Number,
    minimum: 0,
    maximum: dayMs,
    description: 'ms that an unloaded version may take for the requests it has; default 30000',
  })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(dayMs)
  readonly graceMs?: number;
}

/** Body of POST /admin/models/{servable}/load and .../switch. */
export class LoadRequest extends UnloadRequest {
  @ApiPropertyOptional({ type: Boolean, description: 'load a version anew that serves already; default false' })
  @IsOptional()
  @IsBoolean()
  readonly reload?: boolean;

  @ApiPropertyOptional({
    type: Number,
    minimum: 1,
    maximum: dayMs,
    description: 'ms that loading may take before the answer says that it goes on; default 600000',
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(dayMs)
  readonly timeoutMs?: number;
}

export class WorkerResultAnswer implements WorkerResult {
  @ApiProperty({ type: String, description: 'bus address' })
  readonly worker!: string;

  @ApiProperty({ type: [Number], description: 'versions that it loaded' })
  readonly loaded!: readonly number[];

  @ApiProperty({ type: [Number], description: 'versions that it unloaded' })
  readonly unloaded!: readonly number[];

  @ApiPropertyOptional({ type: String, description: 'why it did not do all that was asked' })
  readonly error?: string;

  @ApiPropertyOptional({
    enum: servingErrorCodes,
    description:
      'of the error; UNAVAILABLE: the worker is silent, lost or leaving; DEADLINE_EXCEEDED: it goes on; ABORTED: it could, another worker could not',
  })
  readonly code?: ServingErrorCode;
}

export class ModelChangeAnswer implements ModelChange {
  @ApiProperty({ type: String })
  readonly servable!: string;

  @ApiProperty({ type: [Number], description: 'versions that were asked for' })
  readonly versions!: readonly number[];

  @ApiProperty({ type: Boolean, description: 'every worker did what was asked' })
  readonly ok!: boolean;

  @ApiProperty({ type: [WorkerResultAnswer] })
  readonly workers!: readonly WorkerResultAnswer[];

  @ApiPropertyOptional({
    type: [String],
    description:
      'workers that had the servable, went in the last minute without leaving, and were passed over; one that comes back has what it had',
  })
  readonly passedOver?: readonly string[];
}

export class ListedReplicaAnswer implements ListedReplica {
  @ApiProperty({ type: String })
  readonly worker!: string;

  @ApiProperty({ type: Number })
  readonly deviceId!: number;

  @ApiProperty({ enum: ['loading', 'ready', 'draining', 'gone', 'failed'] })
  readonly state!: ListedReplica['state'];

  @ApiPropertyOptional({ type: String, description: 'why it failed' })
  readonly error?: string;
}

export class ListedVersionAnswer implements ListedVersion {
  @ApiProperty({ type: Number })
  readonly version!: number;

  @ApiProperty({ enum: ['ready', 'loading', 'draining', 'failed', 'unloaded'] })
  readonly state!: ListedVersion['state'];

  @ApiProperty({ type: [ListedReplicaAnswer] })
  readonly replicas!: readonly ListedReplicaAnswer[];
}

export class ListedServableAnswer implements ListedServable {
  @ApiProperty({ type: String })
  readonly servable!: string;

  @ApiPropertyOptional({ type: Number, description: 'the version of requests that name none; absent when none is ready' })
  readonly latest?: number;

  @ApiProperty({ type: [ListedVersionAnswer] })
  readonly versions!: readonly ListedVersionAnswer[];
}

export class ListedWorkerAnswer implements ListedWorker {
  @ApiProperty({ type: String, description: 'bus address' })
  readonly worker!: string;

  @ApiPropertyOptional({ type: String, description: 'its machine' })
  readonly host?: string;

  @ApiProperty({ type: Boolean })
  readonly leaving!: boolean;
}

export class ModelListAnswer implements ModelList {
  @ApiProperty({ type: [ListedWorkerAnswer] })
  readonly workers!: readonly ListedWorkerAnswer[];

  @ApiProperty({ type: [ListedServableAnswer] })
  readonly servables!: readonly ListedServableAnswer[];
}

export class AdminErrorAnswer {
  @ApiProperty({ type: String })
  readonly error!: string;
}
