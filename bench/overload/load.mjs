import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/** A client of the Open Inference Protocol over REST, which all servers here speak. */
export class Client {
  /** `told`: how many ms a server is told of a deadline (the parameter `timeout`, which MLServer passes over). Default: the deadline. */
  constructor(port, told = (deadlineMs) => deadlineMs) {
    this.port = port;
    this.told = told;
    this.agent = new Agent({ keepAlive: true, maxSockets: 20_000 });
  }

  /** The status of an answer ('left': the deadline passed, and the client hung up), how long it took, and what it says when it is an error. */
  ask(model, deadlineMs) {
    const sentAt = performance.now();
    const body = JSON.stringify({
      inputs: [{ name: 'x', shape: [1, 2], datatype: 'INT32', data: [1, 2] }],
      parameters: { timeout: this.told(deadlineMs) * 1000 },
    });
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const { port, agent } = this;
    return new Promise((resolve) => {
      let hasLeft = false;
      const settle = (status, rest) => {
        clearTimeout(timer);
        resolve({ status, ms: performance.now() - sentAt, ...rest });
      };
      const failed = (error) => settle(hasLeft ? 'left' : error.code);
      const call = request({ port, path: `/v2/models/${model}/infer`, method: 'POST', agent, headers }, (response) => {
        const { statusCode } = response;
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part) => {
          if (statusCode !== 200) text += part;
        });
        response.on('end', () => settle(statusCode, { text, hasRetryAfter: response.headers['retry-after'] !== undefined }));
        response.on('error', failed);
      });
      const timer = setTimeout(() => {
        hasLeft = true;
        call.destroy();
      }, deadlineMs);
      call.on('error', failed);
      call.end(body);
    });
  }

  /** Answers per second of `clients` that wait for each answer. */
  async closedLoop(model, clients, forMs) {
    const endsAt = performance.now() + forMs;
    let answers = 0;
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (performance.now() < endsAt) if ((await this.ask(model, 60_000)).status === 200) answers += 1;
      }),
    );
    return (answers * 1000) / forMs;
  }

  /** What came of requests that are sent whatever comes back. */
  async openLoop(model, perSecond, deadlineMs, forMs) {
    const begunAt = performance.now();
    const asked = [];
    while (performance.now() - begunAt < forMs) {
      const due = Math.min(forMs, performance.now() - begunAt) * (perSecond / 1000);
      while (asked.length < due) asked.push(this.ask(model, deadlineMs));
      await pause(2);
    }
    return Promise.all(asked);
  }

  close() {
    this.agent.destroy();
  }
}

function percentile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

function kindOf({ status }) {
  if (status === 200) return 'good';
  if (status === 504 || status === 'left') return 'late';
  return status === 429 || status === 503 ? 'refused' : 'other';
}

/** `perSecond`: what the server can do. */
export function summary(answers, perSecond, seconds) {
  const kinds = { good: [], late: [], refused: [], other: [] };
  for (const answer of answers) kinds[kindOf(answer)].push(answer);
  const { good, late, refused, other } = kinds;
  const times = refused.map(({ ms }) => ms).sort((a, b) => a - b);
  const part = ({ length }) => `${length} (${((100 * length) / answers.length).toFixed(1)} %)`;
  return [
    `sent ${answers.length}, in time ${good.length} (${((100 * good.length) / (perSecond * seconds)).toFixed(1)} % of capacity), late ${part(late)}`,
    `refused ${part(refused)}, with Retry-After ${refused.filter(({ hasRetryAfter }) => hasRetryAfter).length}`,
    ...(refused.length > 0
      ? [`refused within p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`]
      : []),
    ...(other.length > 0 ? [`anything else ${other.length}, first ${other[0].status} ${other[0].text ?? ''}`] : []),
  ].join('\n  ');
}
