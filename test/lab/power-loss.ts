/**
 * A host that loses its power: what is on disk stays, everything else is gone.
 */
import type { Lab } from './lab.js';
import { CommandError } from './process.js';

/** Kills every process of the host and takes away what the kernel and /run forget at a reboot. */
export async function losePower(lab: Lab): Promise<void> {
  await lab.exec(['sh', '-c', 'kill -KILL -1']).catch((error: unknown) => {
    // The shell may go with the others.
    if (!(error instanceof CommandError)) throw error;
  });
  await lab.exec(['sh', '-c', FORGET]);
}

const FORGET = `
set -e
for path in /sys/class/net/*; do
  case \${path##*/} in
  lo | eth0 | bonding_masters) ;;
  # The second end of a pair goes with the first.
  *) ip link del \${path##*/} 2>/dev/null || true ;;
  esac
done
for command in iptables-restore ip6tables-restore; do
  for table in filter nat mangle raw; do
    printf '*%s\\n' $table
    case $table in
    filter) printf ':INPUT ACCEPT\\n:FORWARD ACCEPT\\n:OUTPUT ACCEPT\\n' ;;
    nat) printf ':PREROUTING ACCEPT\\n:INPUT ACCEPT\\n:OUTPUT ACCEPT\\n:POSTROUTING ACCEPT\\n' ;;
    mangle) printf ':PREROUTING ACCEPT\\n:INPUT ACCEPT\\n:FORWARD ACCEPT\\n:OUTPUT ACCEPT\\n:POSTROUTING ACCEPT\\n' ;;
    raw) printf ':PREROUTING ACCEPT\\n:OUTPUT ACCEPT\\n' ;;
    esac
    printf 'COMMIT\\n'
  done | $command
done
# Mounts of container namespaces, then all the rest of /run but the second host's namespace.
for mount in /run/docker/netns/*; do umount "$mount" 2>/dev/null || true; done
for path in /run/*; do
  [ "$path" = /run/netns ] || rm -rf "$path" 2>/dev/null || true
done
echo 0 >/proc/sys/net/ipv4/ip_forward
conntrack -F 2>/dev/null || true
`;
