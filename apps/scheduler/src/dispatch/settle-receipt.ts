import type { Receipt } from '@mserve/wire';
import type { Holder, Portion } from './portion.js';
import type { RequestBook } from './request-book.js';

/**
 * Takes the instances of a receipt out of the portions that its replica has in hand; a receipt may be for a part of a portion, or for
 * several. Returns how many instances were found: 0 for a late receipt.
 */
export function settleReceipt(book: RequestBook, receipt: Receipt, replica: Holder, now: number): number {
  const end = receipt.firstInstance + receipt.instances;
  let found = 0;
  let portion = book.find(receipt.gateway, receipt.id);
  while (portion !== undefined) {
    const next: Portion | undefined = portion.sibling;
    // Another attempt's receipt is not this one's: the worker was lost, came back, and got the instances again. A wrong grant is a stranger's.
    if (portion.replica === replica && portion.attempt === receipt.attempt && portion.grant === receipt.grant) {
      const from = Math.max(portion.first, receipt.firstInstance);
      const to = Math.min(portion.first + portion.count, end);
      if (from < to) {
        // A worker drops what is cancelled or too late
        const wasRun = !portion.cancelled && now <= portion.deadlineAt;
        const { givenAt } = portion;
        releaseRange(book, portion, replica, from, to);
        replica.ended(to - from, givenAt, now, wasRun);
        found += to - from;
      }
    }
    portion = next;
  }
  return found;
}

/** The instances [from, to) of a portion in hand are done; what is left of it, before and after, stays in hand. */
function releaseRange(book: RequestBook, portion: Portion, replica: Holder, from: number, to: number): void {
  replica.release(portion);
  if (from > portion.first) {
    const before = portion.split(from - portion.first);
    book.addBeside(portion, before);
    replica.put(before);
  }
  const left = portion.first + portion.count - to;
  if (left > 0) {
    portion.first = to;
    portion.count = left;
    replica.put(portion);
  } else {
    portion.state = 'done';
    book.remove(portion);
  }
}
