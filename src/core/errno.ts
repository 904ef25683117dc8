/**
 * What the kernel's errors are called, in the words that Docker's users know: those of Go, which are
 * the C library's in lower case.
 */
const texts: Readonly<Record<string, string>> = {
  E2BIG: 'argument list too long',
  EACCES: 'permission denied',
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EAFNOSUPPORT: 'address family not supported by protocol',
  EAGAIN: 'resource temporarily unavailable',
  EALREADY: 'operation already in progress',
  EBADF: 'bad file descriptor',
  EBUSY: 'device or resource busy',
  ECHILD: 'no child processes',
  ECONNABORTED: 'software caused connection abort',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EDESTADDRREQ: 'destination address required',
  EDOM: 'numerical argument out of domain',
  EDQUOT: 'disk quota exceeded',
  EEXIST: 'file exists',
  EFAULT: 'bad address',
  EFBIG: 'file too large',
  EHOSTDOWN: 'host is down',
  EHOSTUNREACH: 'no route to host',
  EINPROGRESS: 'operation now in progress',
  EINTR: 'interrupted system call',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EISCONN: 'transport endpoint is already connected',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  EMFILE: 'too many open files',
  EMLINK: 'too many links',
  EMSGSIZE: 'message too long',
  ENAMETOOLONG: 'file name too long',
  ENETDOWN: 'network is down',
  ENETRESET: 'network dropped connection on reset',
  ENETUNREACH: 'network is unreachable',
  ENFILE: 'too many open files in system',
  ENOBUFS: 'no buffer space available',
  ENODATA: 'no data available',
  ENODEV: 'no such device',
  ENOEXEC: 'exec format error',
  ENOENT: 'no such file or directory',
  ENOMEM: 'cannot allocate memory',
  ENOPROTOOPT: 'protocol not available',
  ENOSPC: 'no space left on device',
  ENOSYS: 'function not implemented',
  ENOTCONN: 'transport endpoint is not connected',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  ENOTSOCK: 'socket operation on non-socket',
  ENOTSUP: 'operation not supported',
  ENOTUNIQ: 'name not unique on network',
  ENXIO: 'no such device or address',
  EOPNOTSUPP: 'operation not supported',
  EOVERFLOW: 'value too large for defined data type',
  EPERM: 'operation not permitted',
  EPFNOSUPPORT: 'protocol family not supported',
  EPIPE: 'broken pipe',
  EPROTO: 'protocol error',
  EPROTONOSUPPORT: 'protocol not supported',
  EPROTOTYPE: 'protocol wrong type for socket',
  ERANGE: 'numerical result out of range',
  EROFS: 'read-only file system',
  ESHUTDOWN: 'cannot send after transport endpoint shutdown',
  ESOCKTNOSUPPORT: 'socket type not supported',
  ESPIPE: 'illegal seek',
  ESRCH: 'no such process',
  ESTALE: 'stale file handle',
  ETIMEDOUT: 'connection timed out',
  ETXTBSY: 'text file busy',
  EUSERS: 'too many users',
  EXDEV: 'invalid cross-device link',
};

/** The words, or the code itself if it has none. */
export function errnoText(code: string): string {
  return texts[code] ?? code;
}

/** What Node.js makes of an error of the kernel, with the code and what was done, to which object. */
const nodeMessages: readonly RegExp[] = [
  // `EACCES: permission denied, open '/x'`
  /^(?<code>E[A-Z0-9]+): [^,]*(?:, (?<what>.+))?$/s,
  // `listen EADDRINUSE: address already in use /x`
  /^(?<call>[a-z]+) (?<code>E[A-Z0-9]+): .* (?<what>\S+)$/s,
  // `connect ECONNREFUSED /x`
  /^(?<call>[a-z]+) (?<code>E[A-Z0-9]+)(?: (?<what>.+))?$/s,
  // `spawn /x ENOENT`
  /^(?<call>spawn) (?<what>.+) (?<code>E[A-Z0-9]+)$/s,
];

/**
 * The message of an error of Node.js in Docker's order: what was done, then the words for why
 * (`open '/x': permission denied`). Any other message stays as it is.
 */
export function inGoWords(message: string): string {
  for (const pattern of nodeMessages) {
    const { code = '', call, what } = pattern.exec(message)?.groups ?? {};
    const text = texts[code];
    if (text === undefined) continue;
    const action = [call, what].filter((word) => word !== undefined).join(' ');
    return action === '' ? text : `${action}: ${text}`;
  }
  return message;
}
