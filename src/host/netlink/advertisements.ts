/**
 * Tells neighbours which MAC address the addresses of a container have now, and corrects what the host itself remembers,
 * since it does not receive what it sends.
 */
import { advertisementFrame } from '../../codec/neighbour-frames.js';
import type { NetlinkRequest } from '../../codec/netlink/netlink-message.js';
import {
  changeNeighbourRequest,
  getForwardingRequest,
  getNeighbourRequest,
  parseRemembered,
  type Remembered,
  removeForwardingRequest,
} from '../../codec/netlink/remembered-messages.js';
import type { IpAddress, MacAddress } from '../../core/address.js';
import { messageOf } from '../../core/errors.js';
import type { Advertisement } from '../../core/network/advertisements.js';
import { type Libc, SystemCallError } from '../process/libc.js';
import { linkIndex } from './socket/link-names.js';
import { NetlinkError } from './socket/netlink-error.js';
import type { NetlinkSocket } from './socket/netlink-socket.js';

/** What an administrator can do about an error of the kernel, by the error's code. */
const advice: Readonly<Record<string, string>> = {
  EPERM: 'the daemon needs the capability CAP_NET_RAW',
  EAFNOSUPPORT: 'the daemon needs sockets of AF_PACKET (RestrictAddressFamilies in its unit)',
};

/**
 * Sends one frame for each address. If the advertisement has a MAC address, all frames are sent before the promise is
 * returned, so that a caller that has not answered Join yet knows that the container's interface was still down and the
 * container did not receive them.
 *
 * @param ownMac reads the interface's own MAC address; called if the advertisement has none
 * @throws {Error} if there is no such interface, or a frame cannot be sent
 */
export async function advertise(
  libc: Pick<Libc, 'sendFrame'>,
  socket: NetlinkSocket,
  { device, addresses, mac }: Advertisement,
  ownMac: () => Promise<MacAddress | undefined>,
): Promise<void> {
  const index = linkIndex(device);
  if (index === undefined) throw new Error(`there is no interface ${device}`);
  const told = mac ?? (await ownMac());
  if (told === undefined) return;
  for (const address of addresses) send(libc, index, address, told);
  if (mac === undefined) return;
  for (const address of addresses) await correctNeighbour(socket, address, index, mac);
  await forgetPort(socket, mac, index);
}

function send(
  libc: Pick<Libc, 'sendFrame'>,
  index: number,
  address: IpAddress,
  mac: MacAddress,
): void {
  try {
    libc.sendFrame(index, advertisementFrame(address, mac));
  } catch (error) {
    const hint = advice[error instanceof SystemCallError ? error.code : ''];
    const what = `telling neighbours of ${address}: ${messageOf(error)}`;
    throw new Error(hint === undefined ? what : `${what}: ${hint}`, { cause: error });
  }
}

async function correctNeighbour(
  socket: NetlinkSocket,
  address: IpAddress,
  index: number,
  mac: MacAddress,
): Promise<void> {
  const known = await ask(socket, getNeighbourRequest(address, index));
  if (known?.mac === undefined || known.mac === mac || known.isFixed) return;
  await ask(socket, changeNeighbourRequest(address, index, mac));
}

/**
 * Removes the bridge's forwarding entry of a MAC address that was behind another port, for example since another host of
 * the LAN had the container before. Until the container sends something, the bridge would send its frames to that port.
 */
async function forgetPort(socket: NetlinkSocket, mac: MacAddress, bridge: number): Promise<void> {
  const known = await ask(socket, getForwardingRequest(mac, bridge));
  if (known === undefined || known.isFixed || known.interface === bridge) return;
  await ask(socket, removeForwardingRequest(mac, known.interface));
}

/** undefined: there is no such entry, or the kernel (before 5.0) cannot be asked for one. */
async function ask(
  socket: NetlinkSocket,
  request: NetlinkRequest,
): Promise<Remembered | undefined> {
  try {
    const [reply] = await socket.request(request);
    return reply && parseRemembered(reply.type, reply.body);
  } catch (error) {
    if (error instanceof NetlinkError) return undefined;
    throw error;
  }
}
