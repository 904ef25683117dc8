/** Reads networks, endpoints and ports from the daemon, or from its records when it does not run. */
import type { Config } from '../../config/config.js';
import type { Inventory } from '../../operator/inventory/inventory.js';
import type { Source } from '../output/envelope.js';
import { insteadOf, registryOfRecords } from '../records.js';

export interface ReadInventory extends Inventory {
  readonly source: Source;
  readonly warnings: readonly string[];
}

interface Asking {
  readonly config: Config;
  request<Answer>(method: 'GET', path: string): Promise<Answer>;
}

/** @throws {Error} if neither answers, with both reasons */
export async function readInventory({ config, request }: Asking): Promise<ReadInventory> {
  try {
    const inventory = await request<Inventory>('GET', '/v1/inventory');
    return { ...inventory, source: 'daemon', warnings: inventory.unreadable };
  } catch (error) {
    return insteadOf(error, async (reason) => {
      const inventory = await readRecords(config);
      const warnings = [`these are its records: ${reason}`, ...inventory.unreadable];
      return { ...inventory, source: 'records', warnings };
    });
  }
}

async function readRecords(config: Config): Promise<Inventory> {
  const { inventoryJson } = await import('../../operator/inventory/inventory.js');
  return JSON.parse([...inventoryJson(await registryOfRecords(config))].join('')) as Inventory;
}
