/** Constants of Linux that Node.js does not export and that several modules pass to the kernel. */

/**
 * `O_NONBLOCK` and `O_CLOEXEC`; sockets, pipes and epoll take the same bits, on every architecture
 * for which our libraries have binaries (x64, ia32, arm, arm64).
 */
export const fileFlag = { nonBlocking: 0o4000, closeOnExec: 0o2000000 } as const;
