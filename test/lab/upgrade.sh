#!/bin/sh
# On a host of a lab whose engine does not run: its programs become those of another Debian release,
# as by `apt full-upgrade`; what is in /etc and /var stays, and so does all that runs.
#
#   upgrade.sh SUITE    one of those that the lab was made with
set -eu
suite=$1
writable=/tmp/usr-$suite
mkdir "$writable" "$writable/upper" "$writable/work"
: >"$writable/node"
mount --bind /usr/bin/node "$writable/node"
mount -t overlay overlay -o "lowerdir=/opt/engines/$suite/usr,upperdir=$writable/upper,workdir=$writable/work" /usr
: >/usr/bin/node
mount --bind "$writable/node" /usr/bin/node
for command in iptables ip6tables; do
  for suffix in '' -save -restore; do
    [ -e "/usr/sbin/$command$suffix" ] ||
      ln -sfn "/etc/alternatives/$command$suffix" "/usr/sbin/$command$suffix"
  done
done
