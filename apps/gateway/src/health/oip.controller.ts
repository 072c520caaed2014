import { Body, Controller, Get, HttpCode, HttpException, Inject, Param, Post, UseFilters, UsePipes, ValidationPipe } from '@nestjs/common';
import { ApiOkResponse, ApiPropertyOptional, ApiResponse, ApiTags, type ApiResponseOptions } from '@nestjs/swagger';
import { IsBoolean, IsOptional } from 'class-validator';
import { ModelDirectory } from './model-directory.js';
import {
  LiveAnswer,
  ModelMetadataAnswer,
  ModelReadyAnswer,
  ReadyAnswer,
  RepositoryEntryAnswer,
  ServerMetadataAnswer,
} from './oip-answers.js';
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

/** The response of a refusal, as infer operations share it. */
function refusal(status: 400 | 404 | 503): ApiResponseOptions {
  const description = { 400: 'the request is wrong', 404: 'no such model or version', 503: 'not ready now; try again' }[status];
  return { status, description, content: { 'application/json': { schema: { $ref: '#/components/schemas/OipError' } } } };
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
  @ApiOkResponse({ type: ServerMetadataAnswer })
  server(): ServerMetadataAnswer {
    return this.models.server();
  }

  @Get('health/live')
  @ApiOkResponse({ type: LiveAnswer })
  live(): LiveAnswer {
    return { live: true };
  }

  @Get('health/ready')
  @ApiOkResponse({ type: ReadyAnswer })
  @ApiResponse(refusal(503))
  ready(): ReadyAnswer {
    if (!this.readiness.isReady) throw new HttpException('not ready', 503);
    return { ready: true };
  }

  @Get('models/:model')
  @ApiOkResponse({ type: ModelMetadataAnswer })
  @ApiResponse(refusal(404))
  @ApiResponse(refusal(503))
  model(@Param('model') model: string): ModelMetadataAnswer {
    return this.models.model(model, '');
  }

  @Get('models/:model/versions/:version')
  @ApiOkResponse({ type: ModelMetadataAnswer })
  @ApiResponse(refusal(404))
  @ApiResponse(refusal(503))
  modelVersion(@Param('model') model: string, @Param('version') version: string): ModelMetadataAnswer {
    return this.models.model(model, version);
  }

  @Get('models/:model/ready')
  @ApiOkResponse({ type: ModelReadyAnswer })
  @ApiResponse(refusal(404))
  @ApiResponse(refusal(503))
  modelReady(@Param('model') model: string): ModelReadyAnswer {
    return this.readyOrThrow(model, '');
  }

  @Get('models/:model/versions/:version/ready')
  @ApiOkResponse({ type: ModelReadyAnswer })
  @ApiResponse(refusal(404))
  @ApiResponse(refusal(503))
  modelVersionReady(@Param('model') model: string, @Param('version') version: string): ModelReadyAnswer {
    return this.readyOrThrow(model, version);
  }

  @Post('repository/index')
  @HttpCode(200)
  @ApiOkResponse({ type: [RepositoryEntryAnswer] })
  @ApiResponse(refusal(400))
  @UsePipes(new ValidationPipe({ transform: true, whitelist: true }))
  index(@Body() request?: RepositoryIndexRequest): RepositoryEntryAnswer[] {
    return this.models.index(request?.ready === true);
  }

  private readyOrThrow(model: string, version: string): ModelReadyAnswer {
    if (!this.models.isModelReady(model, version)) throw new HttpException(`model '${model}' is not ready`, 503);
    return { name: model, ready: true };
  }
}
