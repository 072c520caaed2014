import { stringFieldSize, uintFieldSize } from '../protobuf/index.js';
import type { Receipt } from '../ticket.js';
import type { MessageCodec } from './message-codec.js';

/** Writes and reads Receipt of proto/mserve/bus/v1/dispatch.proto. */
export const receiptCodec: MessageCodec<Receipt> = {
  measure(receipt) {
    const names = stringFieldSize(receipt.replica) + stringFieldSize(receipt.gateway);
    return (
      names +
      uintFieldSize(receipt.id) +
      uintFieldSize(receipt.attempt) +
      uintFieldSize(receipt.firstInstance) +
      uintFieldSize(receipt.instances) +
      uintFieldSize(receipt.grant)
    );
  },
  write(receipt, { writer }) {
    writer.string(1, receipt.replica);
    writer.string(2, receipt.gateway);
    writer.uint(3, receipt.id);
    writer.uint(4, receipt.attempt);
    writer.uint(5, receipt.firstInstance);
    writer.uint(6, receipt.instances);
    writer.uint(7, receipt.grant);
  },
  read(from) {
    const { reader } = from;
    let replica = '';
    let gateway = '';
    let id = 0;
    let attempt = 0;
    let firstInstance = 0;
    let instances = 0;
    let grant = 0;
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      switch (tag) {
        case 10:
          replica = reader.string();
          break;
        case 18:
          gateway = from.address();
          break;
        case 24:
          id = reader.uint();
          break;
        case 32:
          attempt = reader.uint32();
          break;
        case 40:
          firstInstance = reader.uint32();
          break;
        case 48:
          instances = reader.uint32();
          break;
        case 56:
          grant = reader.uint();
          break;
        default:
          reader.skip(tag);
      }
    }
    return { replica, gateway: from.required(gateway, 'gateway'), id, attempt, firstInstance, instances, grant };
  },
};
