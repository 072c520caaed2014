import { ApiProperty } from '@nestjs/swagger';
import type { ModelConfig } from './model-config.js';
import type {
  BatchStatistics,
  InferenceStatistics,
  ModelStatisticsEntry,
  ModelStatisticsList,
  StatisticDuration,
} from './model-statistics.js';
import {
  repositoryStates,
  type RepositoryEntry,
  type RepositoryState,
  type ServerMetadata,
  type VersionedModelMetadata,
} from './model-directory.js';

/** Answers of the Open Inference Protocol over REST, less infer's; field names are the protocol's. Their schemas are in /openapi.json. */

export class ServerMetadataAnswer implements ServerMetadata {
  @ApiProperty({ type: String })
  readonly name!: string;

  @ApiProperty({ type: String })
  readonly version!: string;

  @ApiProperty({ type: [String] })
  readonly extensions!: readonly string[];
}

export class LiveAnswer {
  @ApiProperty({ type: Boolean })
  readonly live!: boolean;
}

export class ReadyAnswer {
  @ApiProperty({ type: Boolean })
  readonly ready!: boolean;
}

export class ModelReadyAnswer {
  @ApiProperty({ type: String })
  readonly name!: string;

  @ApiProperty({ type: Boolean })
  readonly ready!: boolean;
}

export class TensorMetadataAnswer {
  @ApiProperty({ type: String })
  readonly name!: string;

  @ApiProperty({ type: String, description: 'such as FP32, INT64 or BYTES' })
  readonly datatype!: string;

  @ApiProperty({ type: [Number], description: '-1 = any size; the first dim is the instance count where the method is batched' })
  readonly shape!: readonly number[];
}

export class ModelMetadataAnswer implements VersionedModelMetadata {
  @ApiProperty({ type: String })
  readonly name!: string;

  @ApiProperty({ type: [String], description: 'ready versions' })
  readonly versions!: readonly string[];

  @ApiProperty({ type: String })
  readonly platform!: string;

  @ApiProperty({ type: [TensorMetadataAnswer] })
  readonly inputs!: readonly TensorMetadataAnswer[];

  @ApiProperty({ type: [TensorMetadataAnswer] })
  readonly outputs!: readonly TensorMetadataAnswer[];
}

export class ConfigTensorAnswer {
  @ApiProperty({ type: String })
  readonly name!: string;

  @ApiProperty({ type: String, description: 'such as TYPE_FP32, TYPE_INT64 or TYPE_STRING' })
  readonly data_type!: string;

  @ApiProperty({ type: [Number], description: 'of an instance; -1 = any' })
  readonly dims!: readonly number[];
}

export class ConfigInputAnswer extends ConfigTensorAnswer {
  @ApiProperty({ type: String })
  readonly format!: string;

  @ApiProperty({ type: Boolean, description: 'whether it may be left out' })
  readonly optional!: boolean;
}

export class InstanceGroupAnswer {
  @ApiProperty({ type: String })
  readonly name!: string;

  @ApiProperty({ type: String })
  readonly kind!: string;

  @ApiProperty({ type: Number, description: 'ready replicas' })
  readonly count!: number;
}

export class ModelConfigAnswer implements ModelConfig {
  @ApiProperty({ type: String })
  readonly name!: string;

  @ApiProperty({ type: String })
  readonly platform!: string;

  @ApiProperty({ type: String })
  readonly backend!: string;

  @ApiProperty({ type: 'object', additionalProperties: true, description: 'the versions that are ready' })
  readonly version_policy!: ModelConfig['version_policy'];

  @ApiProperty({ type: Number, description: 'instances that a model runs at once; 0 where a method is not batched' })
  readonly max_batch_size!: number;

  @ApiProperty({ type: [ConfigInputAnswer] })
  readonly input!: readonly ConfigInputAnswer[];

  @ApiProperty({ type: [ConfigTensorAnswer] })
  readonly output!: readonly ConfigTensorAnswer[];

  @ApiProperty({ type: [InstanceGroupAnswer] })
  readonly instance_group!: readonly InstanceGroupAnswer[];
}

export class StatisticDurationAnswer implements StatisticDuration {
  @ApiProperty({ type: Number })
  readonly count!: number;

  @ApiProperty({ type: Number, description: 'nanoseconds, added up' })
  readonly ns!: number;
}

export class InferenceStatisticsAnswer implements InferenceStatistics {
  @ApiProperty({ type: StatisticDurationAnswer })
  readonly success!: StatisticDurationAnswer;

  @ApiProperty({ type: StatisticDurationAnswer })
  readonly fail!: StatisticDurationAnswer;

  @ApiProperty({ type: StatisticDurationAnswer, description: 'waits at the scheduler, and at the worker for a run' })
  readonly queue!: StatisticDurationAnswer;

  @ApiProperty({ type: StatisticDurationAnswer, description: 'inputs laid side by side' })
  readonly compute_input!: StatisticDurationAnswer;

  @ApiProperty({ type: StatisticDurationAnswer, description: 'native runs' })
  readonly compute_infer!: StatisticDurationAnswer;

  @ApiProperty({ type: StatisticDurationAnswer, description: 'outputs cut apart' })
  readonly compute_output!: StatisticDurationAnswer;

  @ApiProperty({ type: StatisticDurationAnswer, description: 'always 0' })
  readonly cache_hit!: StatisticDurationAnswer;

  @ApiProperty({ type: StatisticDurationAnswer, description: 'always 0' })
  readonly cache_miss!: StatisticDurationAnswer;
}

export class BatchStatisticsAnswer implements BatchStatistics {
  @ApiProperty({ type: Number, description: 'instances' })
  readonly batch_size!: number;

  @ApiProperty({ type: StatisticDurationAnswer })
  readonly compute_input!: StatisticDurationAnswer;

  @ApiProperty({ type: StatisticDurationAnswer })
  readonly compute_infer!: StatisticDurationAnswer;

  @ApiProperty({ type: StatisticDurationAnswer })
  readonly compute_output!: StatisticDurationAnswer;
}

export class ModelStatisticsEntryAnswer implements ModelStatisticsEntry {
  @ApiProperty({ type: String })
  readonly name!: string;

  @ApiProperty({ type: String })
  readonly version!: string;

  @ApiProperty({ type: Number, description: 'Unix time in milliseconds; 0 = none yet' })
  readonly last_inference!: number;

  @ApiProperty({ type: Number, description: 'instances' })
  readonly inference_count!: number;

  @ApiProperty({ type: Number, description: 'runs of the first model that the method uses' })
  readonly execution_count!: number;

  @ApiProperty({ type: InferenceStatisticsAnswer })
  readonly inference_stats!: InferenceStatisticsAnswer;

  @ApiProperty({ type: [BatchStatisticsAnswer] })
  readonly batch_stats!: readonly BatchStatisticsAnswer[];
}

export class ModelStatisticsAnswer implements ModelStatisticsList {
  @ApiProperty({ type: [ModelStatisticsEntryAnswer] })
  readonly model_stats!: readonly ModelStatisticsEntryAnswer[];
}

export class RepositoryEntryAnswer implements RepositoryEntry {
  @ApiProperty({ type: String })
  readonly name!: string;

  @ApiProperty({ type: String })
  readonly version!: string;

  @ApiProperty({ enum: repositoryStates })
  readonly state!: RepositoryState;

  @ApiProperty({ type: String, description: 'why it is unavailable' })
  readonly reason!: string;
}
