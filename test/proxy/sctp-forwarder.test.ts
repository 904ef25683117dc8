/** What a published SCTP port does with its connections; TCP stands in for SCTP, which kernels may lack. */
import { once } from 'node:events';
import net from 'node:net';
import t from 'tap';
import type { IpAddress } from '../../src/core/address.js';
import { Admission } from '../../src/proxy/process/admission.js';
import { SctpForwarder } from '../../src/proxy/process/sctp-forwarder.js';
import { Sockets } from '../../src/proxy/process/system/socket.js';
import { loadSystemCalls } from '../../src/proxy/process/system/system-calls.js';
import { TrafficCounts } from '../../src/proxy/process/traffic.js';
import { makeBinding } from '../golden/golden.js';
import { ask, eventually, freePort, serve } from '../process/proxy-process.js';

/** Its connections to the container are TCP, too. */
class StandIn extends Sockets {
  override connect(_: unknown, ip: IpAddress, port: number) {
    return super.connect('tcp', ip, port);
  }
}

t.test('an SCTP port carries connections, and refuses more than its share', async (t) => {
  const system = loadSystemCalls();
  const sockets = new StandIn(system);
  const echo = await serve((socket) => socket.pipe(socket));
  const port = await freePort();
  const binding = makeBinding(`127.0.0.1:${port}`, echo.address);
  const fd = sockets.open(binding);
  if (typeof fd !== 'number') throw new Error(fd.code);
  const owner = { connections: 0 };
  const admission = new Admission(system, 400);
  const forwarder = new SctpForwarder(
    { sockets, admission, counts: new TrafficCounts() },
    fd,
    binding,
    owner,
  );
  t.teardown(() => {
    forwarder.close();
    echo.close();
  });
  t.equal(await ask('127.0.0.1', port, 'hello'), 'hello');
  await eventually(() => owner.connections === 0);
  const idle: net.Socket[] = [];
  let refused = 0;
  for (let count = 0; count < 120; count += 1) {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.once('close', () => {
      refused += 1;
    });
    // Its reset can come first.
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined);
    idle.push(socket);
  }
  await eventually(() => refused > 0 && owner.connections + refused === idle.length);
  t.ok(owner.connections > 10, `${owner.connections} are carried, ${refused} are refused`);
  for (const socket of idle) socket.destroy();
  await eventually(() => owner.connections === 0);
  t.equal(await ask('127.0.0.1', port, 'again'), 'again');
});
