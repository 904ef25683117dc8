/**
 * Answers the questions of the simulation, from this host as it is now or from what was read of another host. Changes
 * nothing.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { HostAddresses } from '../../codec/host-addresses.js';
import { contains, type Family, type IpAddress } from '../../core/address.js';
import type {
  AnswerOf,
  Question,
  ReversePathQuestion,
  RouteAnswer,
  RouteQuestion,
  SetQuestion,
} from '../../core/explain/facts.js';
import type { Packet } from '../../core/explain/packet.js';
import { noForwarding6 } from '../../core/explain/routes/no-route.js';
import { RouteLookups } from '../netlink/route-lookup.js';
import { readHostAddresses } from './addresses.js';
import { isInSet } from './ip-sets.js';

/** The sources of the answers: this host, or a bundle. */
export interface AnswerSources {
  /** The addresses of the host, all read at one moment. */
  readonly addresses: HostAddresses;
  lookup(question: RouteQuestion): Promise<RouteAnswer>;
  /** undefined: nobody can say. */
  isInSet(question: SetQuestion): Promise<boolean | undefined>;
  /**
   * The families for which a setting of this bridge (nf_call_iptables, nf_call_ip6tables) shows its frames to iptables;
   * undefined: it is not a bridge.
   */
  bridge(name: string): Promise<readonly Family[] | undefined>;
  /** The text of a file below /proc/sys, without white space around it; undefined: there is none. */
  setting(path: string): Promise<string | undefined>;
  close(): void;
}

export class HostAnswers {
  readonly addresses: HostAddresses;

  constructor(private readonly sources: AnswerSources) {
    this.addresses = sources.addresses;
  }

  /** Opens the sources of this host. {@link close} closes them. */
  static async open(): Promise<HostAnswers> {
    const addresses = await readHostAddresses();
    const routes = new RouteLookups(addresses);
    return new HostAnswers({
      addresses,
      lookup: (question) => routes.lookup(question),
      isInSet,
      bridge: readBridge,
      setting: (path) => textOf(`/proc/sys/${path}`),
      close: () => routes.close(),
    });
  }

  async answer(question: Question): Promise<AnswerOf[Question['kind']]> {
    switch (question.kind) {
      case 'route':
        return this.#route(question);
      case 'address-type':
        return this.addresses.typeOf(question.address, question.interface);
      case 'interface-address':
        return this.addresses.sourceOn(question.interface, question.family, question.toward);
      case 'set':
        return this.sources.isInSet(question);
      case 'bridged':
        return (await this.#shownFrames(question.interface))?.includes(question.family) === true;
      case 'reverse-path':
        return this.#returnsBy(question);
    }
  }

  /**
   * Finds out whether the packet stays within one bridge, from one of its ports to another. `past`: the name of the
   * bridge, which carries it past all rules of iptables. If br_netfilter shows the frame to these rules, the packet
   * that is answered with is `bridged`.
   */
  async onBridge(packet: Packet): Promise<{ readonly past?: string; readonly packet: Packet }> {
    const { inInterface, family, destination } = packet;
    if (inInterface === undefined || this.addresses.isOwn(destination)) return { packet };
    const shown = await this.#shownFrames(inInterface);
    if (shown === undefined) return { packet };
    const near = this.addresses
      .addressesOf(inInterface, family)
      .some((own) => contains({ family, ...own }, destination));
    if (!near) return { packet };
    if (!shown.includes(family)) return { past: inInterface, packet };
    return { packet: { ...packet, bridged: true } };
  }

  /** By which interface the host would send to an address. */
  async routeTo(destination: IpAddress): Promise<RouteAnswer> {
    const family = destination.includes(':') ? 6 : 4;
    const nothing = { mark: 0, tos: 0, protocol: 0, sourcePort: 0, destinationPort: 0 };
    return this.sources.lookup({ kind: 'route', family, destination, ...nothing });
  }

  /** Why the host does not route a packet that came by an interface; undefined: it does. */
  async noRouteFor(question: Omit<RouteQuestion, 'kind' | 'tos'>): Promise<string | undefined> {
    const answer = await this.#route({ kind: 'route', tos: 0, ...question });
    return answer.to === 'nowhere' ? answer.words : undefined;
  }

  close(): void {
    this.sources.close();
  }

  /**
   * For IPv6 the kernel answers with a route even if the host does not forward: it looks at that setting later. So the
   * setting is looked at here.
   */
  async #route(question: RouteQuestion): Promise<RouteAnswer> {
    const found = await this.sources.lookup(question);
    const { family, inInterface } = question;
    if (family === 4 || inInterface === undefined || found.to !== 'interface') return found;
    const [all, forced] = await Promise.all([
      this.sources.setting('net/ipv6/conf/all/forwarding'),
      this.sources.setting(`net/ipv6/conf/${inInterface}/force_forwarding`),
    ]);
    return all === '0' && forced !== '1' ? { to: 'nowhere', words: noForwarding6 } : found;
  }

  async #returnsBy(question: ReversePathQuestion): Promise<boolean | undefined> {
    const { family, source, destination, inInterface, mark, loose } = question;
    const ports = { tos: 0, protocol: 0, sourcePort: 0, destinationPort: 0 };
    const own = this.addresses.isOwn(destination) ? { source: destination } : {};
    const back = await this.sources.lookup({
      kind: 'route',
      ...{ family, destination: source, mark, ...ports, ...own },
    });
    if (back.to === 'unknown') return undefined;
    return back.to === 'interface' && (loose || back.outInterface === inInterface);
  }

  /** For which families br_netfilter shows frames of the interface to iptables; undefined: it is no bridge. */
  async #shownFrames(name: string): Promise<readonly Family[] | undefined> {
    const own = await this.sources.bridge(name);
    if (own === undefined) return undefined;
    const families: Family[] = [];
    for (const [family, program] of programs) {
      const ofAll = await this.sources.setting(`net/bridge/bridge-nf-call-${program}`);
      if (ofAll === '1' || own.includes(family)) families.push(family);
    }
    return families;
  }
}

const programs = [
  [4, 'iptables'],
  [6, 'ip6tables'],
] as const;

export function isBridge(name: string): boolean {
  return existsSync(`/sys/class/net/${name}/bridge`);
}

async function readBridge(name: string): Promise<readonly Family[] | undefined> {
  if (!isBridge(name)) return undefined;
  const calls = await Promise.all(
    programs.map(([, program]) => textOf(`/sys/class/net/${name}/bridge/nf_call_${program}`)),
  );
  return programs.flatMap(([family], index) => (calls[index] === '1' ? [family] : []));
}

/** undefined: the file is not there. */
async function textOf(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text?.trim();
}
