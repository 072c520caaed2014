import { Body, Controller, Get, HttpCode, HttpException, Inject, Param, Post, UseFilters, UsePipes, ValidationPipe } from '@nestjs/common';
import { ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsBoolean, IsOptional } from 'class-validator';
import { ModelDirectory, type RepositoryEntry, type ServerMetadata, type VersionedModelMetadata } from './model-directory.js';
import { Readiness } from './readiness.js';
import { ServingErrorFilter } from './serving-error.filter.js';

/** Body of POST /v2/repository/index. */
export class RepositoryIndexRequest {
  /** Only models that are ready. Default false. */
  @ApiPropertyOptional({ type: Boolean })
  @IsOptional()
  @IsBoolean()
  ready?: boolean;
}

/** The Open Inference Protocol over REST, less infer itself, which the ingress serves. */
@Controller('v2')
@ApiTags('Open Inference Protocol')
@UseFilters(ServingErrorFilter)
export class OipController {
  constructor(
    @Inject(ModelDirectory) private readonly models: ModelDirectory,
    @Inject(Readiness) private readonly readiness: Readiness,
  ) {}

  @Get()
  server(): ServerMetadata {
    return this.models.server();
  }

  @Get('health/live')
  live(): { live: boolean } {
    return { live: true };
  }

  @Get('health/ready')
  ready(): { ready: boolean } {
    if (!this.readiness.isReady) throw new HttpException('not ready', 503);
    return { ready: true };
  }

  @Get('models/:model')
  model(@Param('model') model: string): VersionedModelMetadata {
    return this.models.model(model, '');
  }

  @Get('models/:model/versions/:version')
  modelVersion(@Param('model') model: string, @Param('version') version: string): VersionedModelMetadata {
    return this.models.model(model, version);
  }

  @Get('models/:model/ready')
  modelReady(@Param('model') model: string): { name: string; ready: boolean } {
    return this.readyOrThrow(model, '');
  }

  @Get('models/:model/versions/:version/ready')
  modelVersionReady(@Param('model') model: string, @Param('version') version: string): { name: string; ready: boolean } {
    return this.readyOrThrow(model, version);
  }

  @Post('repository/index')
  @HttpCode(200)
  @UsePipes(new ValidationPipe({ transform: true, whitelist: true }))
  index(@Body() request?: RepositoryIndexRequest): RepositoryEntry[] {
    return this.models.index(request?.ready === true);
  }

  private readyOrThrow(model: string, version: string): { name: string; ready: boolean } {
    if (!this.models.isModelReady(model, version)) throw new HttpException(`model '${model}' is not ready`, 503);
    return { name: model, ready: true };
  }
}
