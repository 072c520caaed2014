import 'reflect-metadata';
import { busNamePattern, maxVersion } from '@mserve/wire';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
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

const maxRanks = 65_536;
const maxSubgraphs = 1024;
const dayMs = 24 * 60 * 60 * 1000;
const states: readonly AgentState[] = ['reading', 'read', 'loading', 'loaded', 'failed'];

/** A whole number from `from` to `to`. */
function Count(from = 0, to = Number.MAX_SAFE_INTEGER): PropertyDecorator {
  return (target, property) => {
    IsInt()(target, property as string);
    Min(from)(target, property as string);
    Max(to)(target, property as string);
  };
}

function Text(maxLength = 1024): PropertyDecorator {
  return (target, property) => {
    IsString()(target, property as string);
    MaxLength(maxLength)(target, property as string);
  };
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

/** The class that a received {@link AgentHello} is checked against. */
export class AgentHelloDto implements AgentHello {
  @Matches(busNamePattern)
  @MaxLength(200)
  readonly address!: string;

  @Count()
  readonly epoch!: number;

  @Text()
  readonly servable!: string;

  @Count(0, maxVersion)
  readonly version!: number;

  @Count(0, maxRanks)
  readonly rank!: number;

  @Count()
  readonly revision!: number;

  @IsBoolean()
  readonly leaving!: boolean;
}

/** The class that a received {@link AgentDescription} is checked against; its subgraphs are checked by who reads them. */
export class AgentDescriptionDto implements AgentDescription {
  @Text()
  readonly servable!: string;

  @Count(0, maxRanks)
  readonly rank!: number;

  @Count(1, maxRanks)
  readonly rankSize!: number;

  @Count()
  readonly revision!: number;

  @IsIn(states)
  readonly state!: AgentState;

  @IsOptional()
  @Text(65_536)
  readonly problem?: string;

  @IsArray()
  @ArrayMaxSize(maxSubgraphs)
  readonly subgraphs!: readonly unknown[];
}

/** The class that a received {@link WorkerClaim} is checked against. */
export class WorkerClaimDto implements WorkerClaim {
  @Matches(busNamePattern)
  @MaxLength(200)
  readonly worker!: string;

  @Count(1, dayMs)
  readonly leaseMs!: number;
}

/** The class that a received {@link Endpoint} is checked against. */
export class EndpointDto implements Endpoint {
  @Text()
  readonly host!: string;

  @Text()
  readonly address!: string;

  @Count(0, 65_535)
  readonly port!: number;
}

/** The class that a received {@link Mesh} is checked against. */
export class MeshDto implements Mesh {
  @ListOf(() => EndpointDto, maxRanks)
  readonly endpoints!: readonly EndpointDto[];
}

/** The class that a received {@link FormAgent} is checked against. */
export class FormAgentDto extends WorkerClaimDto implements FormAgent {
  @Count(1)
  readonly epoch!: number;

  @Text(256)
  readonly token!: string;

  @ListOf(() => MeshDto, maxSubgraphs)
  readonly meshes!: readonly MeshDto[];

  @Count(1, dayMs)
  readonly deadlineMs!: number;
}

/** The class that a received {@link AbortAgent} is checked against. */
export class AbortAgentDto extends WorkerClaimDto implements AbortAgent {
  @Text(65_536)
  readonly reason!: string;
}

/** The class that a received {@link AgentStatus} is checked against. */
export class AgentStatusDto implements AgentStatus {
  @IsIn(states)
  readonly state!: AgentState;

  @IsOptional()
  @Text(65_536)
  readonly problem?: string;

  @Count()
  readonly epoch!: number;

  @ListOf(() => EndpointDto, maxSubgraphs)
  readonly endpoints!: readonly EndpointDto[];
}

/** The class that a received {@link AcquireRanks} is checked against. */
export class AcquireRanksDto implements AcquireRanks {
  @IsOptional()
  @Text()
  readonly servable?: string;
}

class AcquiredRankDto {
  @Text()
  readonly ip!: string;

  @Count()
  readonly deviceId!: number;
}

/** The class that a received {@link AcquiredRanks} is checked against. */
export class AcquiredRanksDto implements AcquiredRanks {
  @Text()
  readonly servable!: string;

  @Count(1, maxVersion)
  readonly version!: number;

  @Count(1, maxRanks)
  readonly rankSize!: number;

  @Count(1, maxRanks)
  readonly stageSize!: number;

  @ListOf(() => AcquiredRankDto, maxRanks)
  readonly ranks!: readonly AcquiredRankDto[];
}
