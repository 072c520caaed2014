import { request, type ClientRequest } from 'node:http';
import { historyLength, stateFormat, statePaths, type History, type ServableState, type State, type StateTick } from '@mserve/ops/state';
import { CliError } from '../cli-error.js';
import { jsonObject } from '../json-object.js';

/** Until it tries again after a connection that ended. */
const retryMs = 1_000;
/** More without a line end is no event of ours. */
const maxEventLength = 64 * 1024 * 1024;

function noAnswer(ops: string, why: string): CliError {
  return new CliError(
    `no answer from ${ops} (${why}); does a gateway or mserve serve have its operations port there? It is --ops, with mserve serve 127.0.0.1:1501 if nothing else is said`,
  );
}

function checked(ops: string, value: Readonly<Record<string, unknown>> | undefined): Readonly<Record<string, unknown>> {
  if (value?.['format'] === stateFormat) return value;
  if (value?.['format'] === undefined)
    throw new CliError(`${ops} has no /state: is it the operations port of a gateway or of mserve serve?`);
  throw new CliError(
    `${ops} tells its state in format ${String(value['format'])}, this mserve reads ${stateFormat}: use the mserve of that server`,
  );
}

/** The state as `GET /state` has it. Throws CliError, in one sentence, when there is none. */
export async function fetchState(ops: string): Promise<State> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`http://${ops}${statePaths.snapshot}`, { signal: AbortSignal.timeout(10_000) });
    text = await response.text();
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string } };
    throw noAnswer(ops, cause?.code ?? message);
  }
  // The format says what else is in it
  return checked(ops, jsonObject(text)) as unknown as State;
}

/** Follows `/state/events`, and connects again when the connection ends; {@link state} is what it knows. */
export class StateStream {
  state: State;
  isConnected = true;
  private current: ClientRequest | undefined;
  private retry: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** `first`: from {@link fetchState}. `onChange` is called after each event, and when the connection comes or goes. */
  constructor(
    private readonly ops: string,
    first: State,
    private readonly onChange: () => void,
  ) {
    this.state = first;
    this.connect();
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.retry);
    this.current?.destroy();
  }

  private connect(): void {
    const sent = request(`http://${this.ops}${statePaths.events}`, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        const parts = (text + chunk).split('\n\n');
        text = parts.pop() ?? '';
        if (text.length > maxEventLength) return sent.destroy();
        for (const part of parts) this.take(part);
      });
      response.on('close', () => this.lose());
    });
    this.current = sent;
    sent.on('error', () => this.lose());
    sent.end();
  }

  private take(part: string): void {
    const [, name, data] = /^event: (\w+)\ndata: (.*)$/m.exec(part) ?? [];
    if (data === undefined) return;
    const body = JSON.parse(data) as unknown;
    if (name === 'servables') this.state = { ...this.state, servables: body as readonly ServableState[] };
    else if (name === 'history') this.state = { ...this.state, history: body as History };
    else if (name === 'tick') this.state = withTick(this.state, body as StateTick);
    this.isConnected = true;
    this.onChange();
  }

  private lose(): void {
    if (this.isClosed || this.retry !== undefined) return;
    this.isConnected = false;
    this.onChange();
    this.retry = setTimeout(() => {
      this.retry = undefined;
      this.connect();
    }, retryMs);
  }
}

function withTick(state: State, tick: StateTick): State {
  const { samples, stepMs } = state.history;
  const isNew = tick.sample.at > (samples.at(-1)?.at ?? 0);
  const history = isNew ? { stepMs, samples: [...samples.slice(1 - historyLength), tick.sample] } : state.history;
  return { ...state, ...tick, history };
}
