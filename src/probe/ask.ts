/** Asks a server of a connectivity test, in the network namespace that this process is in. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { codeOf } from '../core/errors.js';
import { ping } from './ping.js';
import type { Answer, Question } from './protocol.js';

/** Milliseconds after which a datagram is sent again: one may be lost while neighbours are looked for. */
const againMs = 250;
/** Bytes of the headers of IP and UDP. */
const headers = { 4: 28, 6: 48 } as const;

/** Never rejects: silence and errors of the kernel are results, too. */
export async function ask(question: Question): Promise<Answer> {
  const start = performance.now();
  const seen = await heard(question);
  if (typeof seen !== 'string') return { answered: false, why: seen.why };
  const ms = Math.round((performance.now() - start) * 10) / 10;
  return { answered: true, seen, ms };
}

type Heard = string | { readonly why: string };

function heard(question: Question): Promise<Heard> {
  switch (question.probe) {
    case 'tcp':
      return byTcp(question);
    case 'ping':
      return ping(question).then((answered) => (answered === true ? '' : { why: answered }));
    case 'udp':
    case 'packet':
      return byUdp(question);
  }
}

function byTcp({ address, port, timeoutMs }: Question): Promise<Heard> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    let text = '';
    const end = (result: Heard): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end({ why: 'silent' }), timeoutMs);
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => {
      text += part;
    });
    // Only data counts as an answer: the proxy accepts a connection before it has one to the container. The server
    // closes after its answer.
    socket.on('end', () => end(text === '' ? { why: 'closed' } : plainAddress(text)));
    socket.on('error', (error) => end({ why: whyOf(error) }));
  });
}

function byUdp(question: Question): Promise<Heard> {
  const { probe, family, address, port, timeoutMs, bytes, sourcePort } = question;
  return new Promise((resolve) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    // The kernel forbids fragments of what a socket sends unless it is told otherwise (ip(7), IP_PMTUDISC_WANT).
    const payload = Buffer.alloc(probe === 'packet' ? (bytes ?? 0) - headers[family] : 8);
    const end = (result: Heard): void => {
      clearTimeout(timer);
      clearInterval(again);
      socket.close();
      resolve(result);
    };
    const send = (): void => {
      try {
        socket.send(payload, port, address, (error) => {
          // EMSGSIZE: the packet is larger than the first link carries, or than a router has said that a later one
          // does.
          if (codeOf(error) === 'EMSGSIZE') end({ why: 'EMSGSIZE' });
        });
      } catch (error) {
        // Port 0, of what is not published: Node.js refuses it before the kernel could.
        end({ why: whyOf(error) });
      }
    };
    const timer = setTimeout(() => end({ why: 'silent' }), timeoutMs);
    const again = setInterval(send, againMs);
    socket.on('message', (message) => end(plainAddress(message.toString())));
    socket.on('error', (error) => end({ why: whyOf(error) }));
    if (sourcePort === undefined) send();
    else socket.bind({ port: sourcePort }, send);
  });
}

/** A server on `::` sees addresses of IPv4 as `::ffff:192.0.2.1`. */
export function plainAddress(text: string): string {
  return text.trim().replace(/^::ffff:(?=\d+\.)/, '');
}

function whyOf(error: unknown): string {
  return String(codeOf(error) ?? 'failed');
}
