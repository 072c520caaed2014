import { ApiProperty } from '@nestjs/swagger';
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
