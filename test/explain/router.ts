/** A small host, made in the network namespace of the test. */
import { run } from '../process/netns.js';

/** eth0 with the default route, a bridge with a container's subnet, and port 8080 published as Docker does. */
export function makeRouter(): void {
  const commands = [
    'ip link add eth0 type veth peer name out0',
    'ip link add br-1 type bridge',
    'ip link add v1 type veth peer name v2',
    'ip link set v1 master br-1',
    ...['eth0', 'out0', 'br-1', 'v1', 'v2'].map((name) => `ip link set ${name} up`),
    'ip address add 192.0.2.1/24 dev eth0',
    'ip -6 address add 2001:db8::1/64 dev eth0 nodad',
    'ip address add 172.20.0.1/16 dev br-1',
    'ip route add default via 192.0.2.254',
    'ip -6 route add default via 2001:db8::fe',
    'ip route add 10.9.9.0/24 dev br-1',
    'sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth0.rp_filter=1',
    'iptables -N DOCKER',
    'iptables -N DOCKER-USER',
    'iptables -P FORWARD DROP',
    'iptables -A FORWARD -j DOCKER-USER',
    'iptables -A FORWARD -o br-1 -j DOCKER',
    'iptables -A FORWARD -i br-1 ! -o br-1 -j ACCEPT',
    'iptables -A DOCKER -d 172.20.0.2/32 ! -i br-1 -o br-1 -p tcp --dport 80 -j ACCEPT',
    'iptables -t nat -N DOCKER',
    'iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
    'iptables -t nat -A DOCKER ! -i br-1 -p tcp --dport 8080 -j DNAT --to-destination 172.20.0.2:80',
    'iptables -t nat -A POSTROUTING -s 172.20.0.0/16 ! -o br-1 -j MASQUERADE',
  ];
  for (const command of commands) {
    const [file = '', ...args] = command.split(' ');
    run(file, args);
  }
}
