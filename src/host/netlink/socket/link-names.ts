/** Names and indexes of links, by system calls of a few microseconds that do not take the kernel's lock of links. */
import koffi from 'koffi';

/** IFNAMSIZ, with the byte that ends the name. */
const nameBytes = 16;
const internetFamily = 2;
/** SOCK_DGRAM, SOCK_CLOEXEC */
const datagramType = 2 | 0o2000000;
const socketLevel = 1;
/** SO_BINDTODEVICE */
const bindToName = 25;
/** SO_BINDTOIFINDEX */
const bindToIndex = 62;
const noDevice = 19;

const library = koffi.load(null);
const socket = library.func('int socket(int domain, int type, int protocol)');
const setsockopt = library.func(
  'int setsockopt(int fd, int level, int name, const char *value, uint length)',
);
const getsockopt = library.func(
  'int getsockopt(int fd, int level, int name, _Out_ int *value, _Inout_ uint *length)',
);
const close = library.func('int close(int fd)');
const if_indextoname = library.func('void *if_indextoname(uint index, _Out_ void *name)');
const if_nametoindex = library.func('uint if_nametoindex(const char *name)');

/** The name of the link with this index now; undefined if there is none. */
export function linkName(index: number): string | undefined {
  const name = Buffer.alloc(nameBytes);
  if (if_indextoname(index, name) === null) return undefined;
  return name.toString('utf8', 0, name.indexOf(0));
}

/**
 * The index of the link that has this name now, in the namespace of the calling thread; undefined if there is none.
 *
 * Not by if_nametoindex: asked by that for a link that does not exist, the kernel runs modprobe for `netdev-NAME` and waits
 * for its end (dev_load in net/core/dev_ioctl.c), and most names that are looked up do not exist. Here a socket is tied to
 * the link, and says to which. Kernels before 5.0 do not say it.
 */
export function linkIndex(name: string): number | undefined {
  const length = Buffer.byteLength(name);
  // The kernel would cut off what is too long, and take no name for the wish to be tied to none.
  if (length === 0 || length >= nameBytes || name.includes('\0')) return undefined;
  const fd = socket(internetFamily, datagramType, 0);
  if (fd < 0) return if_nametoindex(name) || undefined;
  try {
    if (setsockopt(fd, socketLevel, bindToName, name, length) !== 0) {
      return koffi.errno() === noDevice ? undefined : if_nametoindex(name) || undefined;
    }
    const index: [number] = [0];
    const answered = getsockopt(fd, socketLevel, bindToIndex, index, [4]) === 0;
    return answered ? index[0] : if_nametoindex(name) || undefined;
  } finally {
    close(fd);
  }
}
