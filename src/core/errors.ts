/**
 * The error catalogue: every error that reaches a user has a code here, and a section of the same
 * name in `docs/errors.md` (a test compares the two).
 */

import { inGoWords } from './errno.js';

export const errorCodes = [
  'bad-request',
  'body-missing',
  'method-unknown',
  'options-invalid',
  'network-exists',
  'network-unknown',
  'network-conflict',
  'network-busy',
  'endpoint-exists',
  'endpoint-unknown',
  'endpoint-invalid',
  'container-unknown',
  'publication-exists',
  'publication-unknown',
  'port-allocated',
  'port-unavailable',
  'proxy-unavailable',
  'link-failed',
  'route-failed',
  'route-exists',
  'firewall-failed',
  'firewall-split',
  'sysctl-failed',
  'record-failed',
  'record-unreadable',
  'record-newer',
  'state-locked',
  'config-invalid',
  'socket-unavailable',
  'deadline-exceeded',
  'too-many-readers',
  'internal',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** An error whose message is written for the person who typed the docker command. */
export class DriverError extends Error {
  override readonly name = 'DriverError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The message of anything thrown; for errors of the kernel in Go's words, as Docker's users know them. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? inGoWords(error.message) : String(error);
}

/** The code of a system call's error (`ENOENT`), or of any other error that has one. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** `doing what to which object: why`, keeping the code of a cause that has one. */
export function wrapError(action: string, cause: unknown, code: ErrorCode): DriverError {
  const inner = cause instanceof DriverError ? cause.code : code;
  return new DriverError(inner, `${action}: ${messageOf(cause)}`, { cause });
}

/**
 * Collects what went wrong in a teardown that must go on, and reports it in one error at the end.
 */
export class ErrorList {
  readonly #errors: unknown[] = [];

  /** Runs `step`; a failure is kept, not thrown. */
  async attempt(step: () => Promise<unknown>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#errors.push(error);
    }
  }

  get failed(): boolean {
    return this.#errors.length > 0;
  }

  /** One line for all that was collected. */
  get message(): string {
    return this.#errors.map(messageOf).join('; ');
  }
}
