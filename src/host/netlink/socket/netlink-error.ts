/** The kernel refused a netlink request. */
import { getSystemErrorMap } from 'node:util';
import { errnoText } from '../../../core/errno.js';

export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  constructor(
    /** The error's name: `EEXIST`, `EPERM`, … */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }

  static fromErrno(errno: number): NetlinkError {
    const [code = `errno ${errno}`] = getSystemErrorMap().get(-errno) ?? [];
    return new NetlinkError(code, `${errnoText(code)} (${code})`);
  }
}
