import type { FrameOutput } from './frame-output.js';
import { frameType } from './frames.js';

/** Pings of ours that wait for their answer. */
export class PingBook {
  private readonly waiting = new Map<number, (isAnswered: boolean) => void>();
  private count = 0;

  constructor(private readonly output: FrameOutput) {}

  send(onAnswer: (isAnswered: boolean) => void): void {
    const payload = Buffer.alloc(8);
    const id = ++this.count;
    payload.writeUInt32BE(id, 4);
    this.waiting.set(id, onAnswer);
    this.output.frame(frameType.ping, 0, 0, payload);
  }

  answered(payload: Buffer): void {
    const id = payload.readUInt32BE(4);
    const onAnswer = this.waiting.get(id);
    this.waiting.delete(id);
    onAnswer?.(true);
  }

  /** No answers come any more. */
  end(): void {
    const listeners = [...this.waiting.values()];
    this.waiting.clear();
    for (const onAnswer of listeners) onAnswer(false);
  }
}
