import { Body, Controller, Get, HttpCode, HttpException, Inject, Param, Post, Req, UseFilters, UsePipes } from '@nestjs/common';
import {
  ApiBody,
  ApiExtraModels,
  ApiOkResponse,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
  getSchemaPath,
  type ApiBodyOptions,
  type ApiResponseOptions,
} from '@nestjs/swagger';
import { IsBoolean, IsObject, IsOptional } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import { AdminRequests } from '../edge/admin-requests.js';
import { Audit, clientOf } from '../edge/audit.js';
import { bodyPipe } from './body-pipe.js';
import { ModelDirectory } from './model-directory.js';
import { ModelRepository } from './model-repository.js';
import { ModelStatistics } from './model-statistics.js';
import {
  LiveAnswer,
  ModelConfigAnswer,
  ModelMetadataAnswer,
  ModelReadyAnswer,
  ModelStatisticsAnswer,
  ReadyAnswer,
  RepositoryEntryAnswer,
  ServerMetadataAnswer,
} from './oip-answers.js';
import { Readiness } from './readiness.js';
import { ServingErrorFilter } from './serving-error.filter.js';

/** Body of POST /v2/repository/index. */
export class RepositoryIndexRequest {
  /** Only models that are ready. Default false. */
  @ApiPropertyOptional({ oneOf: [{ type: 'boolean' }, { type: 'null' }] })
  @IsOptional()
  @IsBoolean()
  ready?: boolean;
}

/** Body of POST /v2/repository/models/{model}/load and /unload. */
export class RepositoryModelRequest {
  /** Of a load: `config`, a JSON text with a version_policy. */
  @ApiPropertyOptional({ oneOf: [{ type: 'object' }, { type: 'null' }] })
  @IsOptional()
  @IsObject()
  parameters?: Readonly<Record<string, unknown>>;
}

/** The response of a refusal, as infer operations share it. */
function refusal(status: 400 | 404 | 500 | 501 | 503 | 504): ApiResponseOptions {
  const description = {
    400: 'the request is wrong',
    404: 'no such model or version',
    500: 'a worker could not do it; what served before goes on',
    501: 'models may not be loaded here',
    503: 'not ready now; try again',
    504: 'it takes longer than is waited for, and goes on',
  }[status];
  return { status, description, content: { 'application/json': { schema: { $ref: '#/components/schemas/OipError' } } } };
}

/** A body that may be absent, or null. */
function optionalBody(type: typeof RepositoryIndexRequest | typeof RepositoryModelRequest): ApiBodyOptions {
  return { required: false, schema: { oneOf: [{ $ref: getSchemaPath(type) }, { type: 'null' }] } };
}

/** The Open Inference Protocol over REST, less infer itself, which the ingress serves. */
@Controller('v2')
@ApiExtraModels(RepositoryIndexRequest, RepositoryModelRequest)
@ApiTags('Open Inference Protocol')
@UseFilters(ServingErrorFilter)
export class OipController {
  constructor(
    @Inject(ModelDirectory) private readonly models: ModelDirectory,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(ModelStatistics) private readonly statistics: ModelStatistics,
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(AdminRequests) private readonly operators: AdminRequests,
    @Inject(Audit) private readonly audit: Audit,
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

  /** What was counted of every ready model: requests of this gateway since its start, queues and runs by the scheduler and its workers. */
  @Get('models/stats')
  @ApiOkResponse({ type: ModelStatisticsAnswer })
  allStatistics(): Promise<ModelStatisticsAnswer> {
    return this.statistics.list('', '');
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

  @Get('models/:model/config')
  @ApiOkResponse({ type: ModelConfigAnswer })
  @ApiResponse(refusal(404))
  @ApiResponse(refusal(503))
  config(@Param('model') model: string): ModelConfigAnswer {
    return this.models.config(model, '');
  }

  @Get('models/:model/versions/:version/config')
  @ApiOkResponse({ type: ModelConfigAnswer })
  @ApiResponse(refusal(404))
  @ApiResponse(refusal(503))
  versionConfig(@Param('model') model: string, @Param('version') version: string): ModelConfigAnswer {
    return this.models.config(model, version);
  }

  @Get('models/:model/stats')
  @ApiOkResponse({ type: ModelStatisticsAnswer })
  @ApiResponse(refusal(404))
  @ApiResponse(refusal(503))
  modelStatistics(@Param('model') model: string): Promise<ModelStatisticsAnswer> {
    return this.statistics.list(model, '');
  }

  @Get('models/:model/versions/:version/stats')
  @ApiOkResponse({ type: ModelStatisticsAnswer })
  @ApiResponse(refusal(404))
  @ApiResponse(refusal(503))
  versionStatistics(@Param('model') model: string, @Param('version') version: string): Promise<ModelStatisticsAnswer> {
    return this.statistics.list(model, version);
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
  @ApiBody(optionalBody(RepositoryIndexRequest))
  @ApiOkResponse({ type: [RepositoryEntryAnswer] })
  @ApiResponse(refusal(400))
  @UsePipes(bodyPipe('lenient'))
  index(@Req() request: FastifyRequest, @Body() body?: RepositoryIndexRequest): Promise<RepositoryEntryAnswer[]> {
    return this.repository.index(body?.ready === true, this.operators.has(request.raw));
  }

  /** Loads a model by the version policy, anew where its files changed. */
  @Post('repository/models/:model/load')
  @HttpCode(200)
  @ApiBody(optionalBody(RepositoryModelRequest))
  @ApiOkResponse({ description: 'it is loaded; the body is empty' })
  @ApiResponse(refusal(400))
  @ApiResponse(refusal(404))
  @ApiResponse(refusal(500))
  @ApiResponse(refusal(501))
  @ApiResponse(refusal(503))
  @ApiResponse(refusal(504))
  @UsePipes(bodyPipe('lenient'))
  async load(@Param('model') model: string, @Req() request: FastifyRequest, @Body() body?: RepositoryModelRequest): Promise<void> {
    const act = (): Promise<object> => this.repository.load(model, body?.parameters ?? {}, this.operators.has(request.raw));
    await this.audit.of('repository load', model.slice(0, 200), clientOf(request), act);
  }

  /** Unloads a model; one that is not loaded is no error. */
  @Post('repository/models/:model/unload')
  @HttpCode(200)
  @ApiBody(optionalBody(RepositoryModelRequest))
  @ApiOkResponse({ description: 'it is not loaded any more; the body is empty' })
  @ApiResponse(refusal(400))
  @ApiResponse(refusal(500))
  @ApiResponse(refusal(501))
  @ApiResponse(refusal(503))
  @ApiResponse(refusal(504))
  @UsePipes(bodyPipe('lenient'))
  async unload(@Param('model') model: string, @Req() request: FastifyRequest, @Body() _body?: RepositoryModelRequest): Promise<void> {
    const act = (): Promise<object | undefined> => this.repository.unload(model, this.operators.has(request.raw));
    await this.audit.of('repository unload', model.slice(0, 200), clientOf(request), act);
  }

  private readyOrThrow(model: string, version: string): ModelReadyAnswer {
    if (!this.models.isModelReady(model, version)) throw new HttpException(`model '${model}' is not ready`, 503);
    return { name: model, ready: true };
  }
}
