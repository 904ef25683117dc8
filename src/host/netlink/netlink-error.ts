/** The kernel refused a netlink request. */
import { getSystemErrorMap } from 'node:util';

export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  constructor(
    /** `EEXIST`, `EPERM`, … */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }

  static fromErrno(errno: number): NetlinkError {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
    return new NetlinkError(code, `${text} (${code})`);
  }
}
