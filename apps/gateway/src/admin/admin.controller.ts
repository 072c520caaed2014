import { Body, Controller, Get, Headers, Inject, Param, Post, Query, Req, Res, UseFilters, UseGuards, UsePipes } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiOkResponse,
  ApiQuery,
  ApiResponse,
  ApiTags,
  getSchemaPath,
  type ApiResponseOptions,
  type OpenAPIObject,
} from '@nestjs/swagger';
import { isServableName, servableNameRule, ServingError } from '@mserve/wire';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Audit, clientOf } from '../edge/audit.js';
import { bodyPipe } from '../health/body-pipe.js';
import { ServingErrorFilter } from '../health/serving-error.filter.js';
import { httpStatusOf } from '../edge/status.js';
import { codeOfChange, type ModelChange, type ModelList } from '../models/model-change.js';
import { Models } from '../models/models.js';
import { ApiDocs } from '../openapi/api-docs.js';
import { AdminErrorAnswer, LoadRequest, ModelChangeAnswer, ModelListAnswer, UnloadRequest } from './admin-messages.js';
import { AdminGuard } from './admin.guard.js';

const refusals = [
  { status: 400, description: 'the request is wrong', type: AdminErrorAnswer },
  { status: 401, description: 'the bearer token is missing or wrong', type: AdminErrorAnswer },
  { status: 403, description: 'the Host header is not one of this port', type: AdminErrorAnswer },
  { status: 404, description: 'no such servable or worker', type: AdminErrorAnswer },
];

const notDone: readonly ApiResponseOptions[] = [
  { status: 500, type: ModelChangeAnswer, description: 'a worker could not do it: its error says why' },
  {
    status: 503,
    description:
      'a worker is silent, lost or leaving; or nothing was begun: no worker is heard, or one that may have the servable does not answer',
    schema: { oneOf: [{ $ref: getSchemaPath(ModelChangeAnswer) }, { $ref: getSchemaPath(AdminErrorAnswer) }] },
  },
  { status: 504, type: ModelChangeAnswer, description: 'a worker takes longer than was to be waited for, and goes on' },
];

/** The refusals that any request can get. */
function Refusals(): MethodDecorator {
  return (target, property, descriptor) => {
    for (const refusal of refusals) ApiResponse(refusal)(target, property, descriptor);
  };
}

/** The answers of a change. */
function Change(): MethodDecorator {
  return (target, property, descriptor) => {
    ApiOkResponse({ type: ModelChangeAnswer, description: 'every worker did what was asked' })(target, property, descriptor);
    for (const outcome of notDone) ApiResponse(outcome)(target, property, descriptor);
    Refusals()(target, property, descriptor);
  };
}

/** Versions of servables, changed by operators. Answered at the admin port alone; each change leaves a line in the log. */
@Controller('admin')
@ApiTags('Models')
@ApiExtraModels(ModelChangeAnswer, AdminErrorAnswer)
@ApiBearerAuth()
@UseGuards(AdminGuard)
@UseFilters(ServingErrorFilter)
export class AdminController {
  constructor(
    @Inject(Models) private readonly models: Models,
    @Inject(Audit) private readonly audit: Audit,
    @Inject(ApiDocs) private readonly docs: ApiDocs,
  ) {}

  /** What each worker has, loaded or on disk. */
  @Get('models')
  @ApiQuery({ name: 'servable', type: String, required: false, description: 'only this one' })
  @ApiOkResponse({ type: ModelListAnswer })
  @Refusals()
  list(@Query('servable') servable?: string): Promise<ModelList> {
    return this.models.list(servable === undefined ? undefined : checkedName(servable));
  }

  /** Loads a version beside those that serve. */
  @Post('models/:servable/load')
  @Change()
  @UsePipes(bodyPipe('strict'))
  load(
    @Param('servable') name: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Body() body?: LoadRequest,
  ): Promise<ModelChange> {
    return this.change('load', name, request, reply, (servable) => this.models.load(servable, body?.version, body));
  }

  /** Loads a version where it is not ready, then unloads all others of the servable. A version that cannot be loaded leaves what serves. */
  @Post('models/:servable/switch')
  @Change()
  @UsePipes(bodyPipe('strict'))
  switch(
    @Param('servable') name: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Body() body?: LoadRequest,
  ): Promise<ModelChange> {
    return this.change('switch', name, request, reply, (servable) => this.models.switch(servable, body?.version, body));
  }

  /** Unloads a version, or all, when they have finished what they have in hand. */
  @Post('models/:servable/unload')
  @Change()
  @UsePipes(bodyPipe('strict'))
  unload(
    @Param('servable') name: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Body() body?: UnloadRequest,
  ): Promise<ModelChange> {
    return this.change('unload', name, request, reply, (servable) => this.models.unload(servable, body?.version, body));
  }

  /** This document. */
  @Get('openapi.json')
  @ApiOkResponse({ schema: { type: 'object' } })
  @Refusals()
  document(@Headers('x-forwarded-prefix') prefix?: string): OpenAPIObject {
    return this.docs.adminDocument(prefix);
  }

  private async change(
    action: string,
    name: string,
    request: FastifyRequest,
    reply: FastifyReply,
    act: (servable: string) => Promise<ModelChange>,
  ): Promise<ModelChange> {
    const change = await this.audit.of(action, name.slice(0, 64), clientOf(request), () => act(checkedName(name)));
    const code = codeOfChange(change);
    void reply.status(code === undefined ? 200 : httpStatusOf({ code, reason: undefined }));
    if (code === 'UNAVAILABLE') void reply.header('retry-after', '1');
    return change;
  }
}

function checkedName(name: string): string {
  if (!isServableName(name)) throw new ServingError('INVALID_ARGUMENT', `servable must be ${servableNameRule}`);
  return name;
}
