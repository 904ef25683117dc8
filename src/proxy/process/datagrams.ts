/**
 * The memory through which all datagrams of the process pass, many in one system call: from clients
 * to a container, and from a container to a client, never both at the same time.
 */
import { MessageVector, type Region } from './system/message-vector.js';
import { controlBytes } from './system/packet-info.js';
import { errors, type Layouts, type SystemCalls } from './system/system-calls.js';

const messagesAtOnce = 64;
/** More than a datagram can have. */
const dataBytes = 65_536;
/** Room for an address of either family. */
export const nameBytes = 32;
const dontWait = 0x40;
const noSignal = 0x4000;

export class Datagrams {
  /** Of the datagrams that have come from clients last: who sent them, {@link nameBytes} each. */
  readonly names = Buffer.allocUnsafeSlow(messagesAtOnce * nameBytes).fill(0);
  /** The control messages of these datagrams, `controlBytes` each. */
  readonly controls = Buffer.allocUnsafeSlow(messagesAtOnce * controlBytes).fill(0);
  readonly #replyName = Buffer.allocUnsafeSlow(nameBytes).fill(0);
  readonly #replyControl = Buffer.allocUnsafeSlow(controlBytes).fill(0);
  readonly #fromClients: MessageVector;
  readonly #toContainer: MessageVector;
  readonly #fromContainer: MessageVector;
  readonly #toClient: MessageVector;

  constructor(
    private readonly system: SystemCalls,
    layouts: Layouts,
  ) {
    // The kernel gives it no pages before they are used.
    const memory = Buffer.allocUnsafeSlow(messagesAtOnce * dataBytes);
    const data = { memory, stride: dataBytes, length: dataBytes };
    const name = { memory: this.names, stride: nameBytes, length: nameBytes };
    const control = { memory: this.controls, stride: controlBytes, length: controlBytes };
    const replyName = { memory: this.#replyName, stride: 0, length: nameBytes };
    const replyControl = { memory: this.#replyControl, stride: 0, length: controlBytes };
    const vector = (parts: Record<string, Region> & { data: Region }): MessageVector =>
      new MessageVector(messagesAtOnce, parts, layouts);
    this.#fromClients = vector({ data, name, control });
    this.#toContainer = vector({ data });
    this.#fromContainer = vector({ data });
    this.#toClient = vector({ data, name: replyName, control: replyControl });
  }

  /**
   * Reads the datagrams that wait, 64 at most, and answers with their number. They stay in memory until the
   * next call of any method but `pass`.
   */
  receive(listener: number): number {
    this.#fromClients.rewind();
    const count = this.#receive(listener, this.#fromClients);
    for (let index = 0; index < count; index += 1) {
      this.#toContainer.setLengths(index, this.#fromClients.receivedBytes(index));
    }
    return count;
  }

  /** Bytes of the control message of a datagram that has come from a client. */
  controlLength(index: number): number {
    return this.#fromClients.receivedControl(index);
  }

  /** Hands those from `start` to before `end` on to a container, to which `socket` is connected. */
  pass(socket: number, start: number, end: number): void {
    this.#send(socket, this.#toContainer, start, end);
  }

  /** What has come from a container, to a client. Answers with the number of datagrams. */
  reply(socket: number, listener: number, client: Buffer, control: Buffer): number {
    const count = this.#receive(socket, this.#fromContainer);
    if (count <= 0) return 0;
    client.copy(this.#replyName);
    control.copy(this.#replyControl);
    for (let index = 0; index < count; index += 1) {
      const bytes = this.#fromContainer.receivedBytes(index);
      this.#toClient.setLengths(index, bytes, client.length, control.length);
    }
    this.#send(listener, this.#toClient, 0, count);
    return count;
  }

  /**
   * An error (ECONNREFUSED: no process listens in the container) has come in place of a datagram.
   */
  #receive(socket: number, vector: MessageVector): number {
    const [headers = null] = vector.from;
    return Math.max(0, this.system.recvmmsg(socket, headers, vector.count, dontWait, null));
  }

  /** Datagrams that cannot be sent at once are dropped. */
  #send(socket: number, vector: MessageVector, start: number, end: number): void {
    const flags = dontWait | noSignal;
    let refused = false;
    for (let at = start; at < end; ) {
      const sent = this.system.sendmmsg(socket, vector.from[at] ?? null, end - at, flags);
      if (sent > 0) {
        at += sent;
      } else if (!refused && this.system.errno() === errors.ECONNREFUSED) {
        // ECONNREFUSED is the answer to an earlier datagram; this one was not sent yet.
        refused = true;
      } else {
        at += 1;
      }
    }
  }
}
