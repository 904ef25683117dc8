/**
 * The real daemon, which SIGKILLs itself before or after the CRASH_AT-th effect that follows a
 * SIGUSR2: odd numbers before, even ones after. Arguments as for `tsbridge`.
 */
import { dispatch } from '../../build/cli/dispatch.js';
import { IptablesCommands } from '../../build/host/iptables/commands.js';
import { ConntrackNetlink } from '../../build/host/netlink/conntrack.js';
import { HostRoutesNetlink } from '../../build/host/netlink/host-routes.js';
import { LinksNetlink } from '../../build/host/netlink/links.js';
import { NeighboursNetlink } from '../../build/host/netlink/neighbours.js';
import { ShapingNetlink } from '../../build/host/netlink/shaping.js';
import { NftSocket } from '../../build/host/nf-tables/nft-socket.js';
import { RecordFiles } from '../../build/host/records/store-file.js';
import { SysctlFiles } from '../../build/host/sysctl.js';
import { ProxySupervisor } from '../../build/proxy/supervision/supervisor.js';

const at = Number(process.env.CRASH_AT ?? 0);
let armed = process.env.CRASH_FROM_START === '1';
let effects = 0;

function die() {
  process.kill(process.pid, 'SIGKILL');
  for (;;); // the signal comes within this loop
}

function crashIn(prototype, ...names) {
  for (const name of names) {
    const original = Reflect.get(prototype, name);
    if (typeof original !== 'function') throw new Error(`no method ${name}`);
    Reflect.set(prototype, name, async function (...args) {
      effects += armed ? 1 : 0;
      const effect = armed ? effects : 0;
      if (effect > 0 && at === effect * 2 - 1) die();
      const result = await Reflect.apply(original, this, args);
      if (effect > 0 && at === effect * 2) die();
      return result;
    });
  }
}

process.on('SIGUSR2', () => {
  armed = true;
  process.stderr.write('armed\n');
});
crashIn(LinksNetlink.prototype, 'create', 'change', 'addAddress', 'removeAddress', 'remove');
crashIn(HostRoutesNetlink.prototype, 'add', 'remove');
crashIn(NeighboursNetlink.prototype, 'addProxy', 'removeProxy');
crashIn(ShapingNetlink.prototype, 'apply');
crashIn(SysctlFiles.prototype, 'write');
crashIn(IptablesCommands.prototype, 'restore');
crashIn(NftSocket.prototype, 'transaction');
crashIn(ConntrackNetlink.prototype, 'removeUdpFlowsTo', 'removeFlowsOf');
crashIn(ProxySupervisor.prototype, 'open', 'close', 'sync');
crashIn(RecordFiles.prototype, 'write', 'remove');

process.exitCode = await dispatch(process.argv.slice(2), {
  environment: process.env,
  out: (text) => process.stdout.write(String(text)),
  err: (text) => process.stderr.write(String(text)),
});
