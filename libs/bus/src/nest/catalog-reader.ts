import { ServingError } from '@mserve/wire';
import type { Catalog, ServableStatus } from '../control/messages.js';
import { CheckedList, splitList } from './checked-list.js';
import { CatalogDto, ServableStatusDto } from './control-dtos.js';
import { parseJson } from './json.js';

/** Reads the answers of schedulers to `catalog.list`, one after the other: what did not change since the last one is not checked again. */
export class CatalogReader {
  private readonly servables = new CheckedList<ServableStatus>(ServableStatusDto);

  /** The catalog in these bytes (JSON). Throws ServingError INVALID_ARGUMENT that names the first wrong field. */
  read(bytes: Uint8Array): Catalog {
    const { head, entries } = splitList(CatalogDto, parseJson(bytes), 'servables');
    const servables = this.servables.read(entries, (index, reason) => {
      throw new ServingError('INVALID_ARGUMENT', `servables.${index}: ${reason}`);
    });
    return { ...head, servables };
  }
}
