import { IdTable } from '@mserve/bus';
import type { Portion } from './portion.js';

/** Finds the living portions of a request: the ticket id is unique per gateway. */
export class RequestBook {
  private readonly gateways = new Map<string, IdTable<Portion>>();

  /** The first of the request's living portions; the others follow by `sibling`. */
  find(gateway: string, id: number): Portion | undefined {
    return this.gateways.get(gateway)?.get(id);
  }

  add(portion: Portion): void {
    const { gateway, id } = portion.ticket;
    let requests = this.gateways.get(gateway);
    if (requests === undefined) {
      requests = new IdTable();
      this.gateways.set(gateway, requests);
    }
    portion.sibling = requests.get(id);
    requests.set(id, portion);
  }

  /** Adds a portion that was split from `other`, which is here. */
  addBeside(other: Portion, portion: Portion): void {
    portion.sibling = other.sibling;
    other.sibling = portion;
  }

  remove(portion: Portion): void {
    const { gateway, id } = portion.ticket;
    const requests = this.gateways.get(gateway);
    const first = requests?.get(id);
    if (requests === undefined || first === undefined) return;
    if (first === portion) {
      if (portion.sibling === undefined) requests.delete(id);
      else requests.set(id, portion.sibling);
    } else {
      let before: Portion = first;
      while (before.sibling !== undefined && before.sibling !== portion) before = before.sibling;
      if (before.sibling === portion) before.sibling = portion.sibling;
    }
    portion.sibling = undefined;
  }

  /** Forgets gateways without requests; not done on the way, because an idle gateway comes back with every request. */
  sweep(): void {
    for (const [gateway, requests] of this.gateways) if (requests.size === 0) this.gateways.delete(gateway);
  }
}
