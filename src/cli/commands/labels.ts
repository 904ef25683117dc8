/** How containers and networks are called in tables, and by which words people mean them. */
import type { InventoryView } from '../inventory/view.js';
import type { EndpointItem } from '../schemas/inventory.js';

type Labelled = Pick<EndpointItem, 'container' | 'network' | 'endpoint'>;

const shown = (id: string) => id.slice(0, 12);

/** The container's name; without it the endpoint's id, which docker network inspect shows. */
export function containerText({ container, endpoint }: Labelled): string {
  return container?.name ?? `(${shown(endpoint)})`;
}

export function networkText({ network }: Labelled): string {
  if (network.test) return '(connectivity test)';
  return network.name ?? shown(network.id);
}

/** From four digits on, as people shorten ids. */
export const beginsId = (id: string | undefined, word: string): boolean =>
  /^[0-9a-f]{4,64}$/.test(word) && id?.startsWith(word) === true;

/** By name, by the beginning of its id or of its endpoint's. */
export function isContainer({ names }: InventoryView, endpoint: string, word: string): boolean {
  const container = names.containerOf(endpoint);
  return container?.name === word || beginsId(container?.id, word) || beginsId(endpoint, word);
}

/** By name, bridge, or the beginning of its id. */
export function isNetwork(view: InventoryView, network: string, word: string): boolean {
  return (
    view.names.networkName(network) === word ||
    beginsId(network, word) ||
    view.networkById(network)?.bridge === word
  );
}

/** `1.2 MB`: in steps of 1,000, as Docker shows them. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}
