/**
 * Entry of a probe: a process in a network namespace of its own, which `tsbridge connectivity-test` starts for each
 * container and for the outside host. The namespace has no name, so that it is gone when the process is; the kernel ends
 * the process with the command.
 */
import '../no-debugger.js';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { awaitedLater } from '../background.js';
import { messageOf } from '../core/errors.js';
import { ask } from './ask.js';
import type { Order, Reply } from './protocol.js';
import { serve } from './serve.js';
import { loadProbeSystem } from './system.js';

const system = loadProbeSystem();
system.dieWithParent();
system.newNetworkNamespace();
// Every group may send echo requests in this namespace, in which there is no other process.
writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 2147483647');

const reply = (line: Reply): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

async function obey(order: Order): Promise<Reply> {
  const { id } = order;
  try {
    if (order.do === 'ask') return { id, answer: await ask(order.question) };
    await serve(order.port, order.families);
    return { id };
  } catch (error) {
    return { id, error: messageOf(error) };
  }
}

const orders = createInterface({ input: process.stdin });
orders.on('line', (line) => {
  awaitedLater(obey(JSON.parse(line) as Order).then(reply));
});
// If the command was gone before the kernel was told to end this process with it, standard input has ended: the
// process ends by that.
orders.on('close', () => process.exit(0));
reply({ id: 0 });
