/** Messages of a kind in the order they came, and a way to wait for more of them. */
export class Arrivals<M> {
  readonly messages: M[] = [];
  private watchers: (() => void)[] = [];

  /** To be given to Bus.receive. */
  readonly take = (list: readonly M[]): void => {
    this.messages.push(...list);
    for (const watcher of this.watchers.splice(0)) watcher();
  };

  /** All messages so far, as soon as they satisfy `done`. */
  async until(done: (messages: readonly M[]) => boolean): Promise<readonly M[]> {
    while (!done(this.messages)) await new Promise<void>((resolve) => this.watchers.push(resolve));
    return this.messages;
  }
}
