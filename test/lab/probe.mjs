// The traffic of the tests: servers that tell whom they see, and clients that ask them.
//
//   node probe.mjs serve PROTO/PORT[@ADDRESS]…    until killed; prints "ready" first
//   node probe.mjs ask PROTO HOST PORT [TIMEOUT_MS [LOCAL_PORT [BYTES]]]    prints the answer, or fails
//
// PROTO is tcp or udp. A UDP server on a host with several addresses needs the one that it is asked
// at: from an unbound socket the kernel would answer with another. The answer of a server is one line of JSON:
//   {"name": host name, "peer": address, "peerPort": port, "local": address, "bytes": received}
//
// Plain JavaScript that needs nothing else, since it is started for every single question and
// inside containers, too.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { hostname } from 'node:os';

const plain = (address) => String(address).replace(/^::ffff:/, '');
const [command, ...args] = process.argv.slice(2);
if (command === 'serve') serve(args);
else if (command === 'ask') ask(args);
else fail(`unknown command ${command}`);

function serve(wanted) {
  let waiting = wanted.length;
  const ready = () => {
    waiting -= 1;
    if (waiting === 0) console.log('ready');
  };
  for (const item of wanted) {
    const [, proto, port, address] =
      /^(tcp|udp)\/(\d+)(?:@(.+))?$/.exec(item) ?? fail(`what is ${item}?`);
    if (proto === 'tcp') serveTcp(Number(port), address, ready);
    else serveUdp(Number(port), address, ready);
  }
  // As PID 1 of a container nothing ends it otherwise.
  process.on('SIGTERM', () => process.exit(0));
}

/** Reads until the client has sent everything (half-close), then answers. */
function serveTcp(port, address = '::', ready) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let bytes = 0;
    socket.on('data', (part) => {
      bytes += part.length;
    });
    socket.on('end', () =>
      socket.end(answer(socket.remoteAddress, socket.remotePort, socket.localAddress, bytes)),
    );
    socket.on('error', () => {});
  });
  server.on('error', (error) => fail(error.message));
  server.listen(port, address, ready);
}

/** One socket a family: with a single one for both, replies to IPv4 would need mapped addresses. */
function serveUdp(port, address, ready) {
  const addresses = address === undefined ? ['0.0.0.0', '::'] : [address];
  let waiting = addresses.length;
  for (const local of addresses) {
    const six = local.includes(':');
    const socket = createSocket({ type: six ? 'udp6' : 'udp4', ipv6Only: six });
    socket.on('error', (error) => fail(error.message));
    socket.on('message', (message, from) => {
      socket.send(answer(from.address, from.port, local, message.length), from.port, from.address);
    });
    socket.bind(port, local, () => {
      waiting -= 1;
      if (waiting === 0) ready();
    });
  }
}

function answer(peer, peerPort, local, bytes) {
  return `${JSON.stringify({ name: hostname(), peer: plain(peer), peerPort, local: plain(local ?? ''), bytes })}\n`;
}

function ask([proto, host, port, timeoutMs = '2000', localPort = '0', bytes = '5']) {
  setTimeout(() => fail(`timeout: no answer from ${proto} ${host} ${port}`), Number(timeoutMs));
  const payload = Buffer.alloc(Number(bytes), 'x');
  if (proto === 'tcp') {
    const local = localPort === '0' ? {} : { localPort: Number(localPort) };
    const socket = connect({ host, port: Number(port), allowHalfOpen: true, ...local });
    let text = '';
    socket.on('connect', () => socket.end(payload));
    socket.on('data', (part) => {
      text += part;
    });
    socket.on('end', () => {
      // A proxy that cannot reach the container closes without a word.
      if (text === '') fail(`empty answer from ${proto} ${host} ${port}`);
      process.stdout.write(text, () => process.exit(0));
    });
    socket.on('error', (error) => fail(error.message));
  } else {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (message) => process.stdout.write(message, () => process.exit(0)));
    socket.on('error', (error) => fail(error.message));
    // Connected, so that "port unreachable" arrives as an error.
    socket.bind(Number(localPort), () =>
      socket.connect(Number(port), host, (error) => {
        if (error) fail(error.message);
        else socket.send(payload);
      }),
    );
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`, () => process.exit(1));
}
