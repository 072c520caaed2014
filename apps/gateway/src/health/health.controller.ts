import { Controller, Get, HttpException, Inject, UseFilters } from '@nestjs/common';
import { ApiOkResponse, ApiResponse, ApiTags } from '@nestjs/swagger';
import { LiveAnswer, ReadyAnswer } from './oip-answers.js';
import { Readiness } from './readiness.js';
import { ServingErrorFilter } from './serving-error.filter.js';

/** Health under the names that orchestrators ask for by habit: Kubernetes' `/healthz`, `/livez` and `/readyz`, SageMaker's `/ping`. */
@Controller()
@ApiTags('Health')
@UseFilters(ServingErrorFilter)
export class HealthController {
  constructor(@Inject(Readiness) private readonly readiness: Readiness) {}

  /** As /v2/health/live. */
  @Get(['healthz', 'livez'])
  @ApiOkResponse({ type: LiveAnswer })
  live(): LiveAnswer {
    return { live: true };
  }

  /** As /v2/health/ready. */
  @Get(['readyz', 'ping'])
  @ApiOkResponse({ type: ReadyAnswer })
  @ApiResponse({
    status: 503,
    description: 'not ready now; try again',
    content: { 'application/json': { schema: { $ref: '#/components/schemas/OipError' } } },
  })
  ready(): ReadyAnswer {
    if (!this.readiness.isReady) throw new HttpException('not ready', 503);
    return { ready: true };
  }
}
