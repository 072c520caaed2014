import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';

/** Which verbs the routes of Nest take, by their patterns. Learns the routes as they are added, so it must exist before the first. */
@Injectable()
export class RouteVerbs {
  private readonly routes: { readonly segments: readonly string[]; readonly verbs: readonly string[] }[] = [];

  constructor(@Inject(HttpAdapterHost) host: HttpAdapterHost) {
    host.httpAdapter
      .getInstance<FastifyInstance>()
      .addHook('onRoute', ({ url, method }) => this.add(url, typeof method === 'string' ? [method] : method));
  }

  /** `pattern` as Fastify has it: `/v2/models/:model`. Patterns with wildcards, which take everything, are passed over. */
  private add(pattern: string, verbs: readonly string[]): void {
    if (!pattern.includes('*')) this.routes.push({ segments: pattern.split('/'), verbs });
  }

  /** The verbs that a URL takes, in order and once each; none when it is nobody's. */
  of(url: string): string[] {
    const segments = url.replace(/\/?(?:\?.*)?$/s, '').split('/');
    const verbs = this.routes.filter((route) => matches(route.segments, segments)).flatMap((route) => route.verbs);
    return [...new Set(verbs)].sort();
  }
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length && pattern.every((part, i) => part === segments[i] || (part.startsWith(':') && segments[i] !== ''))
  );
}
