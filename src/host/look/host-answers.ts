/** Answers the simulation's questions from this host, as it is now. Nothing is changed. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { contains, type IpAddress } from '../../core/address.js';
import type {
  AnswerOf,
  Question,
  ReversePathQuestion,
  RouteAnswer,
  RouteQuestion,
} from '../../core/explain/facts.js';
import type { Packet } from '../../core/explain/packet.js';
import { RouteLookups } from '../netlink/route-lookup.js';
import { HostAddresses } from './addresses.js';
import { isInSet } from './ip-sets.js';

export class HostAnswers {
  readonly #routes: RouteLookups;

  private constructor(readonly addresses: HostAddresses) {
    this.#routes = new RouteLookups(addresses);
  }

  static async open(): Promise<HostAnswers> {
    return new HostAnswers(await HostAddresses.read());
  }

  async answer(question: Question): Promise<AnswerOf[Question['kind']]> {
    switch (question.kind) {
      case 'route':
        return this.#routes.lookup(question);
      case 'address-type':
        return this.addresses.typeOf(question.address, question.interface);
      case 'interface-address':
        return this.addresses.sourceOn(question.interface, question.family, question.toward);
      case 'set':
        return isInSet(question);
      case 'bridged':
        return isBridged(question.interface);
      case 'reverse-path':
        return this.#returnsBy(question);
    }
  }

  /**
   * The bridge that carries the packet as a frame from one of its ports to another, past all rules of iptables;
   * undefined if rules see it.
   */
  async bridgePast({ inInterface, family, destination }: Packet): Promise<string | undefined> {
    if (inInterface === undefined || !isBridge(inInterface)) return undefined;
    if (this.addresses.isOwn(destination)) return undefined;
    const near = this.addresses
      .addressesOf(inInterface, family)
      .some((own) => contains({ family, ...own }, destination));
    return near && !(await isBridged(inInterface)) ? inInterface : undefined;
  }

  /** By which interface the host would send to an address. */
  async routeTo(destination: IpAddress): Promise<RouteAnswer> {
    const family = destination.includes(':') ? 6 : 4;
    const nothing = { mark: 0, tos: 0, protocol: 0, sourcePort: 0, destinationPort: 0 };
    return this.#routes.lookup({ kind: 'route', family, destination, ...nothing });
  }

  /** Why the host does not route a packet that came by an interface; undefined: it does. */
  async noRouteFor(question: Omit<RouteQuestion, 'kind' | 'tos'>): Promise<string | undefined> {
    const answer = await this.#routes.lookup({ kind: 'route', tos: 0, ...question });
    return answer.to === 'nowhere' ? answer.words : undefined;
  }

  close(): void {
    this.#routes.close();
  }

  async #returnsBy(question: ReversePathQuestion): Promise<boolean> {
    const { family, source, destination, inInterface, mark, loose } = question;
    const ports = { tos: 0, protocol: 0, sourcePort: 0, destinationPort: 0 };
    const own = this.addresses.isOwn(destination) ? { source: destination } : {};
    const back = await this.#routes.lookup({
      kind: 'route',
      ...{ family, destination: source, mark, ...ports, ...own },
    });
    return back.to === 'interface' && (loose || back.outInterface === inInterface);
  }
}

export function isBridge(name: string): boolean {
  return existsSync(`/sys/class/net/${name}/bridge`);
}

/** Whether it is a bridge, and br_netfilter hands its frames to iptables. */
async function isBridged(name: string): Promise<boolean> {
  if (!isBridge(name)) return false;
  const setting = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  const value = await readFile(setting, 'utf8').catch(() => '0');
  return value.trim() === '1';
}
