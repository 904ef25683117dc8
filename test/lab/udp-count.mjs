// A counted stream of UDP datagrams, slower than a limit, and in bursts that are larger than its bucket: at each moment
// some of them wait in its queue.
//
//   node udp-count.mjs receive PORT             counts; prints "ready" first
//   node udp-count.mjs send HOST PORT BURSTS FIRST
//                                               36 datagrams of 1,000 bytes every 180 ms (1.7 Mbit/s), numbered
//                                               from FIRST on; asks at the end how many different ones came in
//                                               all, and prints {"sent": …, "received": …}
import { createSocket } from 'node:dgram';
import { setTimeout } from 'node:timers/promises';

const [command, ...args] = process.argv.slice(2);
const burst = { datagrams: 36, bytes: 1_000, everyMs: 180 };
const question = 'how many?';
const socket = createSocket('udp4');

if (command === 'receive') {
  const [port] = args;
  const seen = new Set();
  socket.on('message', (bytes, { port: peer, address }) => {
    if (bytes.toString() === question) socket.send(String(seen.size), peer, address);
    else seen.add(bytes.readUInt32BE(0));
  });
  socket.bind(Number(port), () => console.log('ready'));
  // As PID 1 of a container nothing ends it otherwise.
  process.on('SIGTERM', () => process.exit(0));
} else {
  const [host, port, bursts, first] = args;
  let sent = 0;
  for (let round = 0; round < Number(bursts); round += 1) {
    for (let each = 0; each < burst.datagrams; each += 1) {
      const bytes = Buffer.alloc(burst.bytes);
      bytes.writeUInt32BE(Number(first) + sent);
      sent += 1;
      socket.send(bytes, Number(port), host);
    }
    await setTimeout(burst.everyMs);
  }
  const answer = new Promise((resolve) => {
    socket.once('message', (bytes) => resolve(Number(bytes.toString())));
  });
  const asking = setInterval(() => socket.send(question, Number(port), host), 100);
  const received = await Promise.race([answer, setTimeout(10_000, null)]);
  clearInterval(asking);
  console.log(JSON.stringify({ sent, received }));
  process.exit(0);
}
