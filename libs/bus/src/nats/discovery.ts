import type { Msg, NatsConnection } from '@nats-io/transport-node';

/** What a participant says of itself to who asks the nats-server for services (`nats micro ls`). */
export interface ServiceFacts {
  /** [A-Za-z0-9_-]+, the same for all processes of a kind. */
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
  readonly description: string;
}

/** One subject that the participant serves, and what was counted there. */
export interface ServedSubject {
  readonly name: string;
  readonly subject: string;
  /** Requests, or messages of a channel, since the start. */
  requests: number;
  /** Requests that were answered with an error. */
  errors: number;
  lastError: string;
  /** From the arrival of requests to their answers. */
  busyMs: number;
}

/** First token of the subjects of this protocol, which is NATS' own (ADR-32 of nats-architecture-and-design); they have no prefix of ours. */
export const discoverySubject = '$SRV';

const verbs = ['PING', 'INFO', 'STATS'] as const;
type Verb = (typeof verbs)[number];

/** Answers NATS' service discovery for one participant, as long as the connection lasts. A bus server that does not let it answer is no fault. */
export class Discovery {
  private readonly served = new Map<string, ServedSubject>();
  private readonly startedAt = new Date().toISOString();
  private readonly id: string;

  constructor(
    connection: NatsConnection,
    private readonly facts: ServiceFacts,
    private readonly address: string,
  ) {
    this.id = address.replaceAll('.', '-');
    for (const verb of verbs) {
      const callback = (error: Error | null, message: Msg): void => {
        if (error === null) message.respond(JSON.stringify(this.answer(verb)));
      };
      for (const scope of ['', `.${facts.name}`, `.${facts.name}.${this.id}`])
        connection.subscribe(`${discoverySubject}.${verb}${scope}`, { callback });
    }
  }

  /** What is counted for a subject that is served from now on. */
  serve(name: string, subject: string): ServedSubject {
    const known = this.served.get(name);
    if (known !== undefined) return known;
    const served = { name: name.replaceAll('.', '-'), subject, requests: 0, errors: 0, lastError: '', busyMs: 0 };
    this.served.set(name, served);
    return served;
  }

  private answer(verb: Verb): unknown {
    const { name, version, description } = this.facts;
    const type = `io.nats.micro.v1.${verb.toLowerCase()}_response`;
    const common = { type, name, id: this.id, version, metadata: { address: this.address } };
    if (verb === 'PING') return common;
    if (verb === 'INFO') return { ...common, description, endpoints: [...this.served.values()].map(endpointOf) };
    return { ...common, started: this.startedAt, endpoints: [...this.served.values()].map(statsOf) };
  }
}

function endpointOf({ name, subject }: ServedSubject): Readonly<Record<string, unknown>> {
  return { name, subject, queue_group: '', metadata: null };
}

/** Times in nanoseconds. */
function statsOf(served: ServedSubject): Readonly<Record<string, unknown>> {
  const { requests, errors, lastError, busyMs } = served;
  const processing = Math.round(busyMs * 1e6);
  return {
    ...endpointOf(served),
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: processing,
    average_processing_time: requests === 0 ? 0 : Math.round(processing / requests),
  };
}
