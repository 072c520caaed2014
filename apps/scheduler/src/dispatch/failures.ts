import type { Failure, Ticket } from '@mserve/wire';

/** Why instances are refused, in the original's words where it has some (SPEC 1.4). */
export const failures = {
  servableUnavailable: (ticket: Ticket): Failure => failure('UNAVAILABLE', `${named(ticket)}, servable is not available`),
  unknownMethod: (ticket: Ticket): Failure => failure('NOT_FOUND', `${named(ticket)}, method is not available`),
  tooManyRequests: (limit: number): Failure =>
    failure('RESOURCE_EXHAUSTED', `Serving Error: enqueued requests count exceeds the limit ${limit}`),
  tooManyInstances: (limit: number): Failure =>
    failure('RESOURCE_EXHAUSTED', `Serving Error: enqueued instances count exceeds the limit ${limit}`),
  noInstances: (ticket: Ticket): Failure => failure('INVALID_ARGUMENT', `${named(ticket)}, the request has no instances`),
  deadlineExceeded: (ticket: Ticket): Failure => failure('DEADLINE_EXCEEDED', `${named(ticket)}, deadline exceeded`),
  attemptsUsedUp: (ticket: Ticket, attempts: number): Failure =>
    failure('UNAVAILABLE', `${named(ticket)}, servable is not available: ${attempts} attempts were lost with their workers`),
  poison: (ticket: Ticket): Failure =>
    failure('UNAVAILABLE', `${named(ticket)}, servable is not available: two workers died while they had this instance`),
  leaving: (ticket: Ticket): Failure => failure('UNAVAILABLE', `${named(ticket)}, the server is shutting down`),
} as const;

function failure(code: Failure['code'], message: string): Failure {
  return { code, message };
}

function named(ticket: Ticket): string {
  return `Request servable(${ticket.servable}) method(${ticket.method}) `;
}
