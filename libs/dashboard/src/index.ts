import type { OpsPort } from '@mserve/ops';
import { forward, type OwnPort } from './serve/forward.js';
import { pageHandlers } from './serve/page-files.js';

/** The ports of a gateway that its page talks to. */
export interface DashboardPorts {
  readonly rest: () => OwnPort;
  readonly admin: () => OwnPort;
}

const restPaths = /^\/v2\/models\/[^/?]+(?:\/versions\/\d+)?\/infer$/;
const adminPaths = /^\/admin\/models(?:\/[^/?]+\/(?:load|unload|switch))?$/;

/**
 * `/dashboard` at an operations port that has the state of a fleet. What the page calls goes through this port to the others of the process: so the page has one origin, the
 * public port needs no CORS for it, and TLS of the public port is no matter of the browser.
 */
export function mountDashboard(port: Pick<OpsPort, 'mount'>, { rest, admin }: DashboardPorts): void {
  for (const [path, handler] of pageHandlers()) port.mount(path, handler);
  port.mount('/dashboard/rest/', forward('/dashboard/rest/', restPaths, rest));
  port.mount('/dashboard/admin/', forward('/dashboard/', adminPaths, admin));
}
