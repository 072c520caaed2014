import { failureOf, type Failure, type Reason, type Ticket } from '@mserve/wire';

/** Why the scheduler refuses instances. */
export const failures = {
  servableUnavailable: (ticket: Ticket): Failure => ofMethod('servable-unavailable', ticket),
  unknownMethod: (ticket: Ticket): Failure => ofMethod('method-not-found', ticket),
  tooManyRequests: (limit: number): Failure => failureOf('too-many-requests', { limit }),
  tooManyInstances: (limit: number): Failure => failureOf('too-many-instances', { limit }),
  noInstances: (ticket: Ticket): Failure => ofMethod('no-instances', ticket),
  deadlineExceeded: (ticket: Ticket): Failure => ofMethod('deadline-exceeded', ticket),
  deadlineUnreachable: (ticket: Ticket): Failure => ofMethod('deadline-unreachable', ticket),
  attemptsUsedUp: ({ servable, method }: Ticket, attempts: number): Failure =>
    failureOf('attempts-used-up', { servable, method, attempts }),
  workersDied: (ticket: Ticket): Failure => ofMethod('workers-died', ticket),
  leaving: (ticket: Ticket): Failure => ofMethod('shutting-down', ticket),
} as const;

function ofMethod(reason: Reason, { servable, method }: Ticket): Failure {
  return failureOf(reason, { servable, method });
}
