/** Interfaces whose frames come from this process: what is written to one arrives on the host. */
import { closeSync, openSync, writeSync } from 'node:fs';
import koffi from 'koffi';

/** TUNSETIFF with struct ifreq. */
const setInterface = 0x400454ca;
/** IFF_TUN, IFF_NO_PI */
const plainIp = 0x1001;

export class Tun {
  readonly #fd: number;

  /** Made in the namespace that the thread is in; gone when it is closed. */
  constructor(readonly name: string) {
    const ioctl = koffi.load(null).func('int ioctl(int fd, ulong request, void *argument)');
    this.#fd = openSync('/dev/net/tun', 'r+');
    const request = Buffer.alloc(40);
    request.write(name, 0, 15, 'latin1');
    request.writeUInt16LE(plainIp, 16);
    if (ioctl(this.#fd, setInterface, request) !== 0) throw new Error(`no interface ${name}`);
  }

  /** The kernel has passed it through all hooks when this returns. */
  receive(packet: Buffer): void {
    writeSync(this.#fd, packet);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Sends whole IP packets of this host's own. */
export class RawSender {
  readonly #fds: { 4: number; 6: number };
  readonly #sendto;
  readonly #close;

  constructor() {
    const library = koffi.load(null);
    const socket = library.func('int socket(int domain, int type, int protocol)');
    this.#sendto = library.func(
      'int64 sendto(int fd, const void *bytes, size_t length, int flags, const void *to, uint size)',
    );
    this.#close = library.func('int close(int fd)');
    // SOCK_RAW and IPPROTO_RAW: the header is the sender's.
    this.#fds = { 4: socket(2, 3, 255), 6: socket(10, 3, 255) };
  }

  /** Answers whether the kernel took it: rules may have refused it, or there is no route. */
  send(family: 4 | 6, packet: Buffer): boolean {
    const to = Buffer.alloc(family === 4 ? 16 : 28);
    to.writeUInt16LE(family === 4 ? 2 : 10, 0);
    if (family === 4) packet.copy(to, 4, 16, 20);
    else packet.copy(to, 8, 24, 40);
    return this.#sendto(this.#fds[family], packet, packet.length, 0, to, to.length) >= 0;
  }

  close(): void {
    for (const fd of Object.values(this.#fds)) this.#close(fd);
  }
}
