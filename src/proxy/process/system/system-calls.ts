/**
 * The system calls that carry published ports, by foreign function calls into the libc that the
 * process has loaded already. A call costs 0.6 µs more than in C. All of them return at once (the
 * descriptors are non-blocking) but `epoll_wait`, and -1 stands for an error: see `errno`.
 */
import { constants, endianness } from 'node:os';
import koffi, { type TypeObject } from 'koffi';

type Call<Arguments extends unknown[]> = (...args: Arguments) => number;
/** Buffers are handed over in place: the kernel reads and writes them. */
type Memory = NodeJS.ArrayBufferView | null;

export interface SystemCalls {
  /** Error number of the last call that failed. */
  errno(): number;
  socket: Call<[domain: number, type: number, protocol: number]>;
  setsockopt: Call<[fd: number, level: number, name: number, value: Memory, length: number]>;
  getsockopt: Call<[fd: number, level: number, name: number, value: Memory, length: Memory]>;
  bind: Call<[fd: number, address: Memory, length: number]>;
  listen: Call<[fd: number, backlog: number]>;
  connect: Call<[fd: number, address: Memory, length: number]>;
  accept4: Call<[fd: number, address: Memory, length: Memory, flags: number]>;
  shutdown: Call<[fd: number, how: number]>;
  close: Call<[fd: number]>;
  dup: Call<[fd: number]>;
  write: Call<[fd: number, data: Memory, bytes: number]>;
  pipe2: Call<[descriptors: Memory, flags: number]>;
  fcntl: Call<[fd: number, command: number, value: number]>;
  splice: Call<
    [from: number, offset: null, to: number, offset: null, bytes: number, flags: number]
  >;
  recvmmsg: Call<[fd: number, headers: Memory, count: number, flags: number, timeout: null]>;
  sendmmsg: Call<[fd: number, headers: Memory, count: number, flags: number]>;
  epoll_create1: Call<[flags: number]>;
  epoll_ctl: Call<[epoll: number, operation: number, fd: number, event: Memory]>;
  epoll_wait: Call<[epoll: number, events: Memory, count: number, timeoutMs: number]>;
}

const prototypes: Readonly<Record<Exclude<keyof SystemCalls, 'errno'>, string>> = {
  socket: 'int socket(int domain, int type, int protocol)',
  setsockopt: 'int setsockopt(int fd, int level, int name, const void *value, uint length)',
  getsockopt: 'int getsockopt(int fd, int level, int name, void *value, void *length)',
  bind: 'int bind(int fd, const void *address, uint length)',
  listen: 'int listen(int fd, int backlog)',
  connect: 'int connect(int fd, const void *address, uint length)',
  accept4: 'int accept4(int fd, void *address, void *length, int flags)',
  shutdown: 'int shutdown(int fd, int how)',
  close: 'int close(int fd)',
  dup: 'int dup(int fd)',
  write: 'long write(int fd, const void *data, size_t bytes)',
  pipe2: 'int pipe2(void *descriptors, int flags)',
  fcntl: 'int fcntl(int fd, int command, long value)',
  splice: 'long splice(int from, void *o1, int to, void *o2, size_t bytes, uint flags)',
  recvmmsg: 'int recvmmsg(int fd, void *headers, uint count, int flags, void *timeout)',
  sendmmsg: 'int sendmmsg(int fd, void *headers, uint count, int flags)',
  epoll_create1: 'int epoll_create1(int flags)',
  epoll_ctl: 'int epoll_ctl(int epoll, int operation, int fd, void *event)',
  epoll_wait: 'int epoll_wait(int epoll, void *events, int count, int timeout)',
};

export function loadSystemCalls(): SystemCalls {
  const libc = koffi.load(null);
  const calls = Object.entries(prototypes).map(([name, text]) => [name, libc.func(text)] as const);
  return { ...Object.fromEntries(calls), errno: () => koffi.errno() } as unknown as SystemCalls;
}

/** Node's own event loop, which is libuv's. Node exports its functions, for native modules. */
export interface NodeLoop {
  /** Readable whenever it has something to do. */
  readonly descriptor: number;
  /** How many events it has handled so far, modulo 2^32. */
  handled(): number;
}

export function nodeLoop(): NodeLoop {
  const node = koffi.load(null);
  const loop: unknown = node.func('void *uv_default_loop()')();
  const metricsOf = node.func('int uv_metrics_info(void *loop, void *metrics)');
  // `uv_metrics_t`: rounds, events, events that waited, and room for more.
  const metrics = new Uint32Array(64);
  const events = 2 + (endianness() === 'LE' ? 0 : 1);
  return {
    descriptor: Number(node.func('int uv_backend_fd(void *loop)')(loop)),
    handled() {
      metricsOf(loop, metrics);
      return metrics[events] ?? 0;
    },
  };
}

/** The address of the buffer's memory, which is outside of V8's heap and so never moves. */
export function addressOf(memory: Uint8Array): bigint {
  return koffi.address(memory);
}

/** Offsets and sizes in bytes, as the C compiler of this architecture has them. */
export interface Layout<Member extends string> {
  readonly size: number;
  readonly at: Readonly<Record<Member, number>>;
}

function layout<Member extends string>(type: TypeObject): Layout<Member> {
  const members = Object.entries(type.members ?? {}).map(([name, { offset }]) => [name, offset]);
  return { size: type.size, at: Object.fromEntries(members) as Record<Member, number> };
}

export type HeaderMember = keyof typeof messageHeader;
const messageHeader = {
  name: 'void *',
  nameLength: 'uint32_t',
  data: 'void *',
  dataCount: 'size_t',
  control: 'void *',
  controlLength: 'size_t',
  flags: 'int',
} as const;

const epollEvent = { events: 'uint32_t', fd: 'uint32_t', rest: 'uint32_t' } as const;
const paddedEpollEvent = {
  events: 'uint32_t',
  pad: 'uint32_t',
  fd: 'uint32_t',
  rest: 'uint32_t',
};

export interface Layouts {
  /** `struct mmsghdr`: a `struct msghdr`, and how many bytes were received. */
  readonly message: Layout<HeaderMember | 'received'>;
  /** `struct iovec` */
  readonly vector: Layout<'base' | 'length'>;
  /** `struct cmsghdr`; what it is about comes right after it. */
  readonly control: Layout<'length' | 'level' | 'type'>;
  /** `struct epoll_event`; a descriptor is half of its 64 bits of data. */
  readonly event: Layout<'events' | 'fd'>;
  readonly pointerBytes: number;
  /** Offset of the low 32 bits of a `size_t`; its high ones are zero for sizes below 4 GB. */
  readonly lowWord: number;
}

export function layouts(): Layouts {
  const pointerBytes = koffi.sizeof('void *');
  const header = koffi.struct(messageHeader);
  const message = koffi.struct({ header, received: 'uint32_t' });
  const ofMessage = layout<'header' | 'received'>(message);
  return {
    message: { size: ofMessage.size, at: { ...layout<HeaderMember>(header).at, ...ofMessage.at } },
    vector: layout(koffi.struct({ base: 'void *', length: 'size_t' })),
    control: layout(koffi.struct({ length: 'size_t', level: 'int', type: 'int' })),
    // The kernel packs this structure on x64 only.
    event: layout(koffi.struct(process.arch === 'x64' ? epollEvent : paddedEpollEvent)),
    pointerBytes,
    lowWord: endianness() === 'LE' ? 0 : koffi.sizeof('size_t') - 4,
  };
}

/** Error numbers by name, as this architecture has them. */
export const errors = constants.errno;

export interface CallFailure {
  /** `EADDRINUSE`, `EADDRNOTAVAIL`, … */
  readonly code: string;
  /** `socket`, `bind`, … */
  readonly syscall: string;
}

/** Why the last call failed. */
export function failureOf(system: SystemCalls, syscall: string): CallFailure {
  const errno = system.errno();
  const known = Object.entries(errors).find(([, value]) => value === errno);
  return { syscall, code: known?.[0] ?? `errno ${errno}` };
}
