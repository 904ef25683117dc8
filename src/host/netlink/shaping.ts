/** Holds links to their limits by rtnetlink: token buckets with their queues, ifb devices and filters that lead to them. */
import {
  createIfbRequest,
  deleteLinkRequest,
  type LinkReply,
  listLinksRequest,
  parseLink,
  setLinkRequest,
} from '../../codec/netlink/link-messages.js';
import type { NetlinkRequest } from '../../codec/netlink/netlink-message.js';
import {
  addHookRequest,
  addRedirectRequest,
  listFiltersRequest,
  listQdiscsRequest,
  parseQdisc,
  parseRedirect,
  type QdiscReply,
  removeBucketRequest,
  removeRedirectRequest,
  setBucketRequest,
  setQueueRequest,
} from '../../codec/netlink/traffic-control-messages.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { InterfaceName } from '../../core/names.js';
import type { WaitingIn } from '../../core/network/queues.js';
import {
  describeShapingStep,
  type ObservedBucket,
  type ObservedShaping,
  type ShapedLink,
  type ShapingStep,
} from '../../core/network/shaping.js';
import type { Shaping } from '../../driver/host.js';
import { collectDump } from './socket/dump.js';
import { linkIndex } from './socket/link-names.js';
import { NetlinkError } from './socket/netlink-error.js';
import { netlinkProtocol } from './socket/netlink-socket.js';
import { sendWaiting } from './socket/waiting-requests.js';

const noKernelPart =
  "the kernel lacks a part of this (modules 'ifb', 'sch_tbf', 'sch_ingress', 'cls_u32', 'act_mirred'); " +
  'load it, or leave the limit out';
/** What an administrator can do about an error of the kernel, by its code; it is added to the error's text. */
const advice: Readonly<Record<string, string>> = {
  // The kernel does not know this kind of queueing discipline, filter or link.
  ENOENT: noKernelPart,
  EOPNOTSUPP: noKernelPart,
  ENOTSUP: noKernelPart,
  EPERM: 'the daemon needs root, or the capability CAP_NET_ADMIN',
  EINVAL:
    'another program has put something else in its place (tc qdisc show); take that away first',
  EEXIST:
    'another program has put something else in its place (tc qdisc show); take that away first',
};

type Kind = ShapingStep['kind'];

/**
 * The kinds of steps that are sent together, in this order. A failed step does not stop the others of its round, but the
 * rounds after it: so the filter is made only when everything is there that it leads to.
 */
const rounds: readonly (readonly Kind[])[] = [
  ['remove-redirect', 'create-ifb'],
  [
    ...(['set-down', 'set-down-queue', 'remove-down'] as const),
    ...(['set-up', 'set-up-queue', 'ifb-up', 'add-hook'] as const),
  ],
  ['add-redirect'],
  ['remove-ifb'],
];

/** Errors that are no failure of a step: it was done before, or the link is gone, and with it all that it had. */
const harmless: Readonly<Record<Kind, readonly string[]>> = {
  'create-ifb': ['EEXIST'],
  'remove-ifb': ['ENODEV'],
  'remove-redirect': ['ENODEV', 'ENOENT', 'EINVAL'],
  'remove-down': ['ENODEV', 'ENOENT', 'EINVAL'],
  'set-down': ['ENODEV'],
  'set-up': ['ENODEV'],
  'set-down-queue': ['ENODEV'],
  'set-up-queue': ['ENODEV'],
  'ifb-up': ['ENODEV'],
  'add-hook': ['ENODEV'],
  'add-redirect': ['ENODEV'],
};

/**
 * Sends each round over a socket of its own on libuv's threads: the kernel holds some of these system calls up for a
 * grace period.
 */
export class ShapingNetlink implements Shaping {
  #waitingIn: WaitingIn = 'unknown';

  /** Learnt by the first queue that is seen, or that the kernel makes or refuses. */
  get waitingIn(): WaitingIn {
    return this.#waitingIn;
  }

  async observe(
    links: readonly ShapedLink[],
  ): Promise<ReadonlyMap<InterfaceName, ObservedShaping>> {
    const observed = new Map<InterfaceName, ObservedShaping>();
    if (links.length === 0) return observed;
    try {
      const [hosts, ifbs, qdiscs] = await Promise.all([
        listLinks('veth'),
        listLinks('ifb'),
        collectDump(netlinkProtocol.route, listQdiscsRequest(), parseQdisc),
      ]);
      const buckets = bucketsIn(qdiscs);
      if (qdiscs.some(({ kind }) => kind === 'fq_codel')) this.#waitingIn = 'fq_codel';
      const hooks = new Set(qdiscs.flatMap(({ kind, index }) => (kind === 'hook' ? [index] : [])));
      for (const { host, ifb } of links) {
        const end = hosts.get(host);
        if (end === undefined) continue;
        const device = ifbs.get(ifb);
        observed.set(host, {
          down: buckets.get(end.index),
          ifb: device && { up: device.up, bucket: buckets.get(device.index) },
          hook: hooks.has(end.index),
          redirect: hooks.has(end.index) ? await redirectOf(end.index, device?.index) : 'none',
        });
      }
      return observed;
    } catch (error) {
      throw failed('reading what limits interfaces', error);
    }
  }

  async apply(steps: readonly ShapingStep[]): Promise<void> {
    for (const kinds of rounds) {
      const round = steps.filter(({ kind }) => kinds.includes(kind));
      if (round.length > 0) await this.#run(round);
    }
  }

  async #run(steps: readonly ShapingStep[]): Promise<void> {
    const work = steps.flatMap((step) => {
      const request = requestFor(step);
      return request === undefined ? [] : [{ step, request }];
    });
    const answers = await sendWaiting(
      netlinkProtocol.route,
      work.map(({ request }) => request),
    ).catch((error: unknown) => {
      throw failed('limiting traffic', error);
    });
    for (const [index, { step }] of work.entries()) {
      const error = answers[index];
      if (error === undefined) this.#learnFrom(step);
      else if (error.code === 'ENOENT' && (await this.#lacksQueue(step))) continue;
      else if (!harmless[step.kind].includes(error.code)) {
        throw failed(describeShapingStep(step), error);
      }
    }
  }

  #learnFrom({ kind }: ShapingStep): void {
    if (kind === 'set-down-queue' || kind === 'set-up-queue') this.#waitingIn = 'fq_codel';
  }

  /**
   * Whether ENOENT for the step means that the kernel has no fq_codel. It also answers so if the bucket is gone by now.
   */
  async #lacksQueue({ kind, link }: ShapingStep): Promise<boolean> {
    if (kind !== 'set-down-queue' && kind !== 'set-up-queue') return false;
    const index = linkIndex(kind === 'set-down-queue' ? link.host : link.ifb);
    const qdiscs = await collectDump(netlinkProtocol.route, listQdiscsRequest(), parseQdisc);
    if (index === undefined || !bucketsIn(qdiscs).has(index)) return false;
    this.#waitingIn = 'fifo';
    return true;
  }
}

/** Token buckets with the queue in each, by the index of their link. */
function bucketsIn(qdiscs: readonly QdiscReply[]): ReadonlyMap<number, ObservedBucket> {
  const queues = new Map(
    qdiscs.flatMap((each) => (each.kind === 'fq_codel' ? [[each.index, each.queue]] : [])),
  );
  return new Map(
    qdiscs.flatMap((each) =>
      each.kind === 'bucket'
        ? [[each.index, { ...each.bucket, queue: queues.get(each.index) }]]
        : [],
    ),
  );
}

/** The request for a step; undefined if its link is gone, so that there is nothing to do. */
function requestFor(step: ShapingStep): NetlinkRequest | undefined {
  const { host, ifb } = step.link;
  switch (step.kind) {
    case 'create-ifb':
      return createIfbRequest(ifb);
    case 'remove-ifb':
      return deleteLinkRequest(ifb);
    case 'ifb-up':
      return setLinkRequest(ifb, { up: true });
    case 'set-down':
      return on(host, (index) => setBucketRequest(index, step.bucket));
    case 'remove-down':
      return on(host, removeBucketRequest);
    case 'set-up':
      return on(ifb, (index) => setBucketRequest(index, step.bucket));
    case 'set-down-queue':
      return on(host, (index) => setQueueRequest(index, step.queue));
    case 'set-up-queue':
      return on(ifb, (index) => setQueueRequest(index, step.queue));
    case 'add-hook':
      return on(host, addHookRequest);
    case 'remove-redirect':
      return on(host, removeRedirectRequest);
    case 'add-redirect':
      return on(ifb, (to) => on(host, (index) => addRedirectRequest(index, to)));
  }
}

function on<Made>(name: string, make: (index: number) => Made): Made | undefined {
  const index = linkIndex(name);
  return index === undefined ? undefined : make(index);
}

/**
 * The links of the kind by name. A kernel that does not know the kind (ifb is a module) lists all links, so they are
 * filtered here.
 */
async function listLinks(kind: 'veth' | 'ifb'): Promise<ReadonlyMap<string, LinkReply>> {
  const links = await collectDump(netlinkProtocol.route, listLinksRequest(kind), (type, body) => {
    const link = parseLink(type, body);
    return link?.kind === kind ? link : undefined;
  });
  return new Map(links.map((link) => [link.name, link]));
}

/** Where our filter on the link leads; `none` also for a link that is gone by now. */
async function redirectOf(
  index: number,
  ifb: number | undefined,
): Promise<ObservedShaping['redirect']> {
  const request = listFiltersRequest(index);
  const [to] = await collectDump(netlinkProtocol.route, request, parseRedirect).catch((error) => {
    if (error instanceof NetlinkError && error.code === 'ENODEV') return [];
    throw error;
  });
  if (to === undefined) return 'none';
  return to === ifb ? 'ifb' : 'astray';
}

function failed(action: string, error: unknown): DriverError {
  const hint = error instanceof NetlinkError ? advice[error.code] : undefined;
  const message = `${action}: ${messageOf(error)}${hint === undefined ? '' : `: ${hint}`}`;
  return new DriverError('link-failed', message, { cause: error });
}
