// Traffic that goes on whatever happens, and counts.
//
//   node steady.mjs serve TCP_PORT UDP_PORT                     answers with what it gets
//   node steady.mjs hold HOST TCP_PORT COUNT UDP_PORT PER_SECOND
//
// `hold` keeps COUNT TCP connections open, asks on each ten times a second, and opens one anew when
// it breaks. A connection that has no answer for longest 10 s counts as broken. Beside that it sends
// PER_SECOND numbered datagrams. On each line of its input it prints a line of JSON with all counts; after the line `quiet`
// it sends no more datagrams.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const silentMs = 10_000;
const [command, ...args] = process.argv.slice(2);
if (command === 'serve') serve(Number(args[0]), Number(args[1]));
else hold(args[0], Number(args[1]), Number(args[2]), Number(args[3]), Number(args[4]));

function serve(tcpPort, udpPort) {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(tcpPort, '::');
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.on('message', (message, from) => socket.send(message, from.port, from.address));
  socket.bind(udpPort);
  process.on('SIGTERM', () => process.exit(0));
}

function hold(host, tcpPort, count, udpPort, perSecond) {
  const counts = {
    opened: 0,
    open: 0,
    broken: 0,
    refused: 0,
    asked: 0,
    answered: 0,
    longestWaitMs: 0,
    udpSent: 0,
    udpAnswered: 0,
  };
  const reasons = {};
  for (let index = 0; index < count; index += 1) keep(host, tcpPort, counts, reasons);
  const sending = perSecond > 0 ? sendDatagrams(host, udpPort, perSecond, counts) : undefined;
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      if (line === 'quiet') clearInterval(sending);
      console.log(JSON.stringify({ ...counts, reasons }));
      counts.longestWaitMs = 0;
    })
    .on('close', () => process.exit(0));
}

/** One connection after the other. */
function keep(host, port, counts, reasons) {
  const socket = connect({ host, port });
  socket.setNoDelay(true);
  let isOpen = false;
  let why = 'closed by the other side';
  let asked = 0;
  let askedAt = 0;
  let answered = 0;
  const beat = setInterval(() => {
    if (!isOpen || asked > answered) return;
    asked += 1;
    counts.asked += 1;
    askedAt = performance.now();
    socket.write('x');
  }, 100);
  socket.setTimeout(silentMs, () => socket.destroy(new Error('no answer')));
  socket.on('connect', () => {
    isOpen = true;
    counts.opened += 1;
    counts.open += 1;
  });
  socket.on('data', (data) => {
    answered += data.length;
    counts.answered += data.length;
    const waited = Math.round(performance.now() - askedAt);
    counts.longestWaitMs = Math.max(counts.longestWaitMs, waited);
  });
  socket.on('error', (error) => {
    why = error.code ?? error.message;
  });
  socket.on('close', () => {
    clearInterval(beat);
    if (isOpen) {
      counts.open -= 1;
      counts.broken += 1;
      reasons[why] = (reasons[why] ?? 0) + 1;
    } else counts.refused += 1;
    setTimeout(() => keep(host, port, counts, reasons), 50);
  });
}

function sendDatagrams(host, port, perSecond, counts) {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.on('message', () => {
    counts.udpAnswered += 1;
  });
  // ECONNREFUSED: somebody says that nobody is there. The next one is sent all the same.
  socket.on('error', () => {});
  socket.bind(0);
  const started = performance.now();
  return setInterval(() => {
    const due = Math.floor(((performance.now() - started) / 1000) * perSecond);
    // After a pause of this process the rest is left out: a burst would overrun buffers.
    const now = Math.min(due - counts.udpSent, 50);
    for (let index = 0; index < now; index += 1) {
      counts.udpSent += 1;
      socket.send(String(counts.udpSent), port, host, () => {});
    }
  }, 5);
}
