#!/bin/bash
# The first process of a lab: PID 1 of its own mount, pid, network, uts and ipc namespaces.
#
#   unshare --mount --pid --net --uts --ipc --fork --kill-child bash init.sh ROOT DIR NODE REPO IPTABLES FORWARD [SUITE=ROOT]…
#
# It makes the throwaway host (ROOT under an overlay, so many labs share one root and none sees
# another) and the network namespace of the second host, says "ready", and waits for the end of
# its input. When the lab's owner dies, even by SIGKILL, the input ends, this process ends, and the
# kernel takes everything away: processes, mounts, links, namespaces. There is nothing to sweep but
# an empty directory and the cgroups.
set -euo pipefail
root=$1 dir=$2 node=$3 repo=$4 iptables=$5 forward=$6
shift 6

mount --make-rprivate /
mount -t tmpfs -o mode=755 tsbridge-lab "$dir"
mkdir "$dir"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"

mount -t proc proc proc
# A fresh sysfs, because one shows the links of the network namespace it was mounted in.
mount -t sysfs sysfs sys
# Every cgroup controller, v1 or v2: `ip netns exec` would lose these, and dockerd with them.
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p var/lib/docker var/lib/tsbridge etc/docker opt/tsbridge .old
# Not on the overlay: overlay2 inside an overlay is refused.
mount -t tmpfs -o mode=710 tmpfs var/lib/docker
: >usr/bin/node
mount --bind "$node" usr/bin/node
mount -o remount,bind,ro usr/bin/node
mount --bind "$repo" opt/tsbridge
mount -o remount,bind,ro opt/tsbridge
# What this host can be upgraded to (upgrade.sh).
for later; do
  mkdir -p "opt/engines/${later%%=*}"
  mount --bind "${later#*=}" "opt/engines/${later%%=*}"
  mount -o remount,bind,ro "opt/engines/${later%%=*}"
done
for command in iptables ip6tables; do
  for suffix in '' -save -restore; do
    ln -sfn "/usr/sbin/$command-$iptables$suffix" "etc/alternatives/$command$suffix"
    [ -e "usr/sbin/$command$suffix" ] || ln -sfn "/etc/alternatives/$command$suffix" "usr/sbin/$command$suffix"
  done
done
# No name server but the second host: nothing may look for one outside.
rm -f etc/resolv.conf
echo 'nameserver 192.0.2.2' >etc/resolv.conf
printf '127.0.0.1 localhost lab\n::1 localhost lab\n' >etc/hosts

# pivot_root, not chroot: under chroot `docker exec` lands in the machine's own root.
pivot_root . .old
cd /
umount -l /.old
rmdir /.old
hash -r
echo lab >/proc/sys/kernel/hostname

# The two hosts and the wire between them; the second one is also the way to "the world".
ip link set lo up
ip netns add lan
ip -n lan link set lo up
ip link add eth0 type veth peer name eth0 netns lan
for host in 1 2; do
  if [ $host = 1 ]; then at=(); else at=(-n lan); fi
  ip "${at[@]}" addr add 192.0.2.$host/24 dev eth0
  ip "${at[@]}" addr add 2001:db8:0:2::$host/64 dev eth0 nodad
  ip "${at[@]}" link set eth0 up
done
ip -n lan addr add 198.51.100.1/32 dev lo
ip -n lan addr add 2001:db8:ffff::1/128 dev lo nodad
ip route add default via 192.0.2.2
ip route add default via 2001:db8:0:2::2
# As on a machine that never routed before: the engine (or the driver) must switch it on.
echo "$forward" >/proc/sys/net/ipv4/ip_forward
echo "$forward" >/proc/sys/net/ipv6/conf/all/forwarding

echo ready
# As PID 1 bash reaps orphans by itself while it waits here.
while read -r _; do :; done
