// In the lab's network, where there is no way out: passes connections to 127.0.0.1:PORT on to a unix socket.
import { connect, createServer } from 'node:net';

const [, , port, path] = process.argv;
const server = createServer((client) => {
  const upstream = connect(path);
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ]) {
    from.on('error', () => to.destroy());
    from.pipe(to);
  }
});
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
