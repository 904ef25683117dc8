/** Interfaces whose frames come from this process: what is written to one arrives on the host. */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import koffi from 'koffi';

/** TUNSETIFF with struct ifreq. */
const setInterface = 0x400454ca;
/** IFF_TUN, IFF_TAP; IFF_NO_PI */
const [plainIp, plainFrames] = [0x1001, 0x1002];

export class Tun {
  readonly #fd: number;

  /** Made in the namespace that the thread is in; gone when it is closed. */
  constructor(readonly name: string) {
    this.#fd = openInterface(name, plainIp);
  }

  /** The kernel has passed it through all hooks when this returns. */
  receive(packet: Buffer): void {
    writeSync(this.#fd, packet);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function openInterface(name: string, flags: number): number {
  const ioctl = koffi.load(null).func('int ioctl(int fd, ulong request, void *argument)');
  const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  const request = Buffer.alloc(40);
  request.write(name, 0, 15, 'latin1');
  request.writeUInt16LE(flags, 16);
  if (ioctl(fd, setInterface, request) !== 0) throw new Error(`no interface ${name}`);
  return fd;
}

/** An interface whose Ethernet frames come from this process, and go to it. */
export class Tap {
  readonly #fd: number;
  readonly #bytes = Buffer.alloc(2_000);

  constructor(readonly name: string) {
    this.#fd = openInterface(name, plainFrames);
  }

  /** The kernel has passed it through all hooks when this returns. */
  receive(frame: Buffer): void {
    writeSync(this.#fd, frame);
  }

  /** The frames that the kernel has sent by the interface since the last call. */
  sent(): Buffer[] {
    const frames: Buffer[] = [];
    for (;;) {
      try {
        const length = readSync(this.#fd, this.#bytes);
        frames.push(Buffer.from(this.#bytes.subarray(0, length)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return frames;
        throw error;
      }
    }
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
