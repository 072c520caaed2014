/** How often a process could not write to its stdout, its stderr or its log there. */
export class WriteFailures {
  count = 0;

  /** From now on what a closed pipe or a full disk does not take ends nothing: it is dropped, and counted. */
  watch(...streams: readonly Pick<NodeJS.WriteStream, 'on'>[]): void {
    for (const stream of streams) stream.on('error', () => this.count++);
  }
}
