import { describeBus } from '../bus.contract.js';
import { MemoryExchange } from './memory-exchange.js';

describeBus('MemoryBus', async () => {
  const exchange = new MemoryExchange({ report: () => undefined });
  return { connect: async (role) => exchange.connect(role) };
});
