/**
 * Text with open descriptors beside it, from one process to another: messages over a unix socket of
 * type SOCK_SEQPACKET (each arrives as a whole), with SCM_RIGHTS (unix(7)). Who receives a
 * descriptor has the same open socket, whatever becomes of the sender.
 */
import { fileFlag } from '../../../linux.js';
import { MessageVector } from './message-vector.js';
import { errors, failureOf, type Layouts, type SystemCalls } from './system-calls.js';
import { unixAddress, unixFamily } from './unix-address.js';

/** SCM_MAX_FD is 253. */
export const descriptorsAtOnce = 100;
const textBytes = 128 * 1024;
const flags = fileFlag.nonBlocking | fileFlag.closeOnExec;
/** SOCK_SEQPACKET */
const socketType = 5 | flags;
const solSocket = 1;
const scmRights = 1;
const noSignal = 0x4000;
/** MSG_CMSG_CLOEXEC: what is received goes to no program that is started later. */
const receiveFlags = 0x40000000;

export interface DescriptorMessage {
  readonly text: string;
  readonly descriptors: readonly number[];
}

export class DescriptorChannel {
  readonly #text = Buffer.allocUnsafeSlow(textBytes).fill(0);
  readonly #control: Buffer;
  readonly #words: Uint32Array;
  readonly #vector: MessageVector;

  constructor(
    private readonly system: SystemCalls,
    private readonly layouts: Layouts,
  ) {
    const controlBytes = layouts.control.size + 4 * descriptorsAtOnce;
    this.#control = Buffer.allocUnsafeSlow(controlBytes).fill(0);
    this.#words = new Uint32Array(this.#control.buffer, this.#control.byteOffset, controlBytes / 4);
    const whole = (memory: Buffer) => ({ memory, stride: 0, length: memory.length });
    this.#vector = new MessageVector(
      1,
      { data: whole(this.#text), control: whole(this.#control) },
      layouts,
    );
  }

  /** A socket that listens on `path`. */
  listen(path: string): number {
    return this.#open(path, (fd, address) => {
      if (this.system.bind(fd, address, address.length) !== 0) return 'bind';
      return this.system.listen(fd, 1) === 0 ? undefined : 'listen';
    });
  }

  connect(path: string): number {
    return this.#open(path, (fd, address) =>
      this.system.connect(fd, address, address.length) === 0 ? undefined : 'connect',
    );
  }

  /** undefined: no process has connected yet. */
  accept(listener: number): number | undefined {
    const fd = this.system.accept4(listener, null, null, flags);
    if (fd >= 0) return fd;
    if (this.system.errno() === errors.EAGAIN) return undefined;
    throw this.#error('accept4');
  }

  /** false: the receiver has to read first. */
  send(fd: number, { text, descriptors }: DescriptorMessage): boolean {
    const { size, at } = this.layouts.control;
    const bytes = this.#text.write(text);
    if (bytes < Buffer.byteLength(text) || descriptors.length > descriptorsAtOnce) {
      throw new Error('the message is too long');
    }
    const length = size + 4 * descriptors.length;
    this.#words[(at.length + this.layouts.lowWord) / 4] = length;
    this.#words[at.level / 4] = solSocket;
    this.#words[at.type / 4] = scmRights;
    this.#words.set(descriptors, size / 4);
    this.#vector.setLengths(0, bytes, 0, descriptors.length === 0 ? 0 : length);
    if (this.system.sendmmsg(fd, this.#vector.from[0] ?? null, 1, noSignal) === 1) return true;
    if (this.system.errno() === errors.EAGAIN) return false;
    throw this.#error('sendmmsg');
  }

  /** undefined: there is none yet. Throws if the sender has gone. */
  receive(fd: number): DescriptorMessage | undefined {
    const { size, at } = this.layouts.control;
    this.#vector.setLengths(0, textBytes);
    this.#vector.rewind();
    const count = this.system.recvmmsg(fd, this.#vector.from[0] ?? null, 1, receiveFlags, null);
    if (count < 1) {
      if (this.system.errno() === errors.EAGAIN) return undefined;
      throw this.#error('recvmmsg');
    }
    const bytes = this.#vector.receivedBytes(0);
    if (bytes === 0) throw new Error('the other process has gone');
    const text = this.#text.toString('utf8', 0, bytes);
    if (this.#vector.receivedControl(0) < size) return { text, descriptors: [] };
    const length = this.#words[(at.length + this.layouts.lowWord) / 4] ?? 0;
    return { text, descriptors: [...this.#words.subarray(size / 4, length / 4)] };
  }

  close(fd: number): void {
    this.system.close(fd);
  }

  #open(path: string, use: (fd: number, address: Uint8Array) => string | undefined): number {
    const fd = this.system.socket(unixFamily, socketType, 0);
    if (fd < 0) throw this.#error('socket');
    const failed = use(fd, unixAddress(path));
    if (failed === undefined) return fd;
    const error = this.#error(failed);
    this.close(fd);
    throw error;
  }

  #error(syscall: string): Error {
    return new Error(`${syscall}: ${failureOf(this.system, syscall).code}`);
  }
}
