/**
 * Many datagrams in one system call: an array of `struct mmsghdr` for recvmmsg(2) and sendmmsg(2),
 * made once and used again and again. Several arrays may share memory, so that one sends what another has
 * received.
 */
import { addressOf, type Layouts } from './system-calls.js';

/** A part of each message: that of the n-th is at `start + n * stride`, `length` bytes at most. */
export interface Region {
  readonly memory: Uint8Array;
  /** 0: all messages share the same place. */
  readonly stride: number;
  readonly length: number;
}

export interface MessageParts {
  readonly data: Region;
  /** The other side's address. */
  readonly name?: Region;
  /** Control messages. */
  readonly control?: Region;
}

export class MessageVector {
  /** The pointer that the kernel gets, to the n-th message. */
  readonly from: readonly Uint8Array[];
  readonly #headers: Uint32Array;
  readonly #lengths: Uint32Array;
  /** In words: of a header, of an iovec, and of what is read and written in them. */
  readonly #size: number;
  readonly #received: number;
  readonly #nameLength: number;
  readonly #controlLength: number;
  readonly #vectorSize: number;
  readonly #dataLength: number;

  constructor(
    readonly count: number,
    private readonly parts: MessageParts,
    layouts: Layouts,
  ) {
    const { message, vector, lowWord } = layouts;
    const headers = Buffer.allocUnsafeSlow(count * message.size).fill(0);
    const vectors = Buffer.allocUnsafeSlow(count * vector.size).fill(0);
    this.#headers = words(headers);
    this.#lengths = words(vectors);
    this.#size = message.size / 4;
    this.#received = message.at.received / 4;
    this.#nameLength = message.at.nameLength / 4;
    this.#controlLength = (message.at.controlLength + lowWord) / 4;
    this.#vectorSize = vector.size / 4;
    this.#dataLength = (vector.at.length + lowWord) / 4;
    const vectorsAt = addressOf(vectors);
    const pointInHeaders = pointerWriter(headers, layouts);
    const pointInVectors = pointerWriter(vectors, layouts);
    for (let index = 0; index < count; index += 1) {
      const header = index * message.size;
      const entry = index * vector.size;
      pointInVectors(entry + vector.at.base, place(parts.data, index));
      pointInHeaders(header + message.at.data, vectorsAt + BigInt(entry));
      this.#headers[(header + message.at.dataCount + lowWord) / 4] = 1;
      if (parts.name) pointInHeaders(header + message.at.name, place(parts.name, index));
      if (parts.control) pointInHeaders(header + message.at.control, place(parts.control, index));
      this.setLengths(index, parts.data.length, parts.name?.length, parts.control?.length);
    }
    this.from = Array.from({ length: count }, (_, index) => headers.subarray(index * message.size));
  }

  /** Bytes of each part of the n-th message that are to be sent. */
  setLengths(index: number, data: number, name = 0, control = 0): void {
    const header = index * this.#size;
    this.#lengths[index * this.#vectorSize + this.#dataLength] = data;
    this.#headers[header + this.#nameLength] = name;
    this.#headers[header + this.#controlLength] = control;
  }

  /** Length of the n-th message that was received. */
  receivedBytes(index: number): number {
    return this.#headers[index * this.#size + this.#received] ?? 0;
  }

  /** Zero if the kernel has told nothing beside the data. */
  receivedControl(index: number): number {
    return this.#headers[index * this.#size + this.#controlLength] ?? 0;
  }

  /**
   * Gives the kernel the whole room for names and control messages again; it notes what it used.
   */
  rewind(): void {
    const { name, control } = this.parts;
    for (let header = 0; header < this.#headers.length; header += this.#size) {
      this.#headers[header + this.#nameLength] = name?.length ?? 0;
      this.#headers[header + this.#controlLength] = control?.length ?? 0;
    }
  }
}

function place({ memory, stride }: Region, index: number): bigint {
  return addressOf(memory) + BigInt(index * stride);
}

function words(memory: Buffer): Uint32Array {
  return new Uint32Array(memory.buffer, memory.byteOffset, memory.length / 4);
}

function pointerWriter(memory: Buffer, { pointerBytes, lowWord }: Layouts) {
  const littleEndian = lowWord === 0;
  const view = new DataView(memory.buffer, memory.byteOffset, memory.length);
  return (offset: number, target: bigint): void => {
    if (pointerBytes === 8) view.setBigUint64(offset, target, littleEndian);
    else view.setUint32(offset, Number(target), littleEndian);
  };
}
