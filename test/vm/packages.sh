# Sourced by guest.sh: an administrator's way with the package, by the commands of docs/install.md, on a host that has
# Docker and nothing of ours: in, a reboot, updates and a downgrade under load, out. The packages lie in packages/:
# `previous` has the program of the first version, `next` is this one with another build id.

package() { readlink -f "packages/tsbridge_$1.deb"; }
apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -q -y -o DPkg::Lock::Timeout=120 --allow-downgrades "$(package "$1")"; }
installed() { dpkg-query -W -f '${Version}' tsbridge; }
version_of() { dpkg-deb -f "$(package "$1")" Version; }
installed_is() { equal "$(version_of "$1")" "$(installed)"; }

packages_before_reboot() {
  all_files >/var/lib/vm-files
  links >/var/lib/vm-links
  sorted_rules >/var/lib/vm-rules
  check 'apt install of the package, without a network' apt_install current
  check 'a new installation does not start by itself' equal inactive "$(show ActiveState)"
  check 'tsbridge setup' tsbridge setup --yes
  check 'systemctl enable --now' systemctl enable -q --now tsbridge.socket tsbridge.service
  check 'systemd takes the units' systemd-analyze verify --man=no tsbridge.service tsbridge.socket tsbridge-proxy@1.service
  check 'docker network create' docker network create -d tsbridge --subnet 10.77.1.0/24 app
  check 'a container with published ports' web_container
  check 'exposure is 2.5 or better' exposure
  packages_answer 'installed'
}
web_container() {
  serve web tcp/80,udp/53 --restart always --network app --ip 10.77.1.10 -p 8080:80 -p 53:53/udp
}
exposure() {
  systemd-analyze security --no-pager --threshold=25 tsbridge.service &&
    systemd-analyze security --no-pager --threshold=25 tsbridge-proxy@1.service
}
packages_answer() {
  check "$1: from another host" eventually 60 answers tcp "$host" 8080 'web saw 192.0.2.2' lan
  check "$1: UDP below 1024, from another host" answers udp "$host" 53 'web saw 192.0.2.2' lan
  check "$1: through the proxy" eventually 60 answers tcp 127.0.0.1 8080 'web saw 10.77.1.1'
  check "$1: nothing is degraded" eventually 60 nothing_degraded
}
nothing_degraded() { tsbridge status && tsbridge status | grep -qx '  degraded  *nothing'; }

packages_after_reboot() {
  check 'after a reboot: the container answers' eventually 300 answers tcp "$host" 8080 'web saw 192.0.2.2' lan
  packages_answer 'after a reboot'
  check 'after a reboot: no unit has failed' no_failed_unit
  updates
  refused_records
  removal
}

updates() {
  local proxy
  proxy=$(proxy_pid)
  held_all 'update under load, to the next version' apt_install next
  check '  it is installed' installed_is next
  check '  the proxy is another process, of that build, in a unit of its own' eventually 120 handed_over_to_unit "$proxy"
  proxy=$(proxy_pid)
  held_all 'downgrade under load, with records that the older version knows' apt_install current
  check '  it is installed' installed_is current
  check '  the proxy is another process, of that build, in a unit of its own' eventually 120 handed_over_to_unit "$proxy"
  packages_answer 'after the downgrade'
  watchdog
  if [ -e packages/tsbridge_previous.deb ]; then from_the_first_version; fi
}
handed_over_to_unit() {
  handed_over "$1" && grep -q '/tsbridge-proxy@[0-9]*\.service$' "/proc/$(proxy_pid)/cgroup"
}
# UDP through the proxy is not held: an answer that is on its way between two processes is lost (docs/adr/0010).
held_all() {
  local name=$1
  shift
  held "$name" lan:"$host":8080 here:127.0.0.1:8080 here:"$host":8080 lan:"$host":53/udp -- "$@"
}

# A daemon that hangs is ended and started again by systemd, and its ports are served meanwhile.
watchdog() {
  local old seconds
  seconds=$(($(show WatchdogUSec | sed -E 's/min( |$)/*60+/; s/[^0-9*+]//g; s/\+$//')))
  if [ "$seconds" = 0 ]; then
    note 'the unit has no watchdog'
    return
  fi
  old=$(show MainPID)
  held_all "a daemon that hangs is replaced within $seconds s and some" hang "$old" "$seconds"
  check '  calls work after that' docker network create -d tsbridge later
  check '  and leave nothing' docker network rm later
}
hang() { kill -STOP "$1" && eventually $(($2 * 2 + 60)) new_daemon "$1"; }

from_the_first_version() {
  check 'the first version: networks go, and the newer package' remove_all
  check 'the first version: installed' apt_install previous
  check 'the first version: enabled' systemctl enable -q --now tsbridge.socket tsbridge.service
  check 'the first version: a network' docker network create -d tsbridge --subnet 10.77.1.0/24 app
  check 'the first version: a container' web_container
  check 'the first version: answers' eventually 60 answers tcp 127.0.0.1 8080 'web saw 10.77.1.1'
  held 'update from the first version: DNAT paths' lan:"$host":8080 here:"$host":8080 lan:"$host":53/udp -- counted apt_install current
  # It cannot hand its sockets over: between its end and the next one's beginning a connection is refused.
  note "meanwhile, through the proxy: $(cat /run/counted)"
  check '  the proxy is in a unit of its own' eventually 120 in_unit
  packages_answer 'updated from the first version'
}
in_unit() { equal 1 "$(proxy_pid | wc -l)" && grep -q '/tsbridge-proxy@[0-9]*\.service$' "/proc/$(proxy_pid)/cgroup"; }
# Counts what goes through the proxy while a command runs, without an opinion.
counted() {
  local holder status=0
  python3 "$here/traffic.py" hold tcp 127.0.0.1 8080 /run/counted &
  holder=$!
  sleep 1
  "$@" || status=$?
  sleep 2
  kill "$holder"
  wait "$holder"
  return "$status"
}

refused_records() {
  local record
  # By name: another network may still be on its way out.
  record=/var/lib/tsbridge/networks/$(docker network inspect -f "{{.Id}}" app).json
  cp -p "$record" /var/lib/vm-record
  sed -i 's/^{"version":[0-9]*,/{"version":99,/' "$record"
  held_ports 'records of a newer version are refused with a clear word' newer_records_refused
  check '  and nothing of them is changed' grep -q '^{"version":99,' "$record"
  cp -p /var/lib/vm-record "$record"
  check '  the version that knows them goes on' started_anew
  packages_answer 'with its records again'
}
held_ports() { held "$1" lan:"$host":8080 here:127.0.0.1:8080 lan:"$host":53/udp -- "${@:2}"; }
newer_records_refused() {
  systemctl restart tsbridge.service || :
  eventually 120 eval "journalctl -u tsbridge -o cat -n 60 | grep -q 'written by a newer tsbridge'"
}
started_anew() { systemctl restart tsbridge.service && eventually 60 nothing_degraded; }

removal() {
  check 'apt remove is refused while there are networks' removal_refused
  check '  and the service still runs' equal active "$(show ActiveState)"
  check '  with all that it did' answers tcp "$host" 8080 'web saw 192.0.2.2' lan
  check 'containers and networks go, and the package with its settings' remove_all
  check 'no process, unit or socket of it is left' nothing_runs
  check 'files are what they were before' diff /var/lib/vm-files <(all_files)
  check 'links are what they were before' diff /var/lib/vm-links <(links)
  check 'rules are what they were before' diff /var/lib/vm-rules <(sorted_rules)
}
removal_refused() {
  local said
  said=$(apt-get remove -q -y tsbridge 2>&1) && return 1
  printf '%s\n' "$said"
  [[ $said == *'since 1 network of this driver would be left'*'docker network rm'* ]] && [ -x /usr/bin/tsbridge ]
}
remove_all() {
  docker rm -f web && docker network rm app && apt-get purge -q -y tsbridge
}
nothing_runs() {
  eventually 15 refused pgrep -af tsbridge/dist && refused pgrep -x tsbridge-proxy &&
    [ ! -e /run/tsbridge ] && [ ! -e /run/docker/plugins/tsbridge.sock ] &&
    equal '' "$(systemctl list-units --all --plain --no-legend 'tsbridge*' | grep -v not-found)"
}

# Without what Docker, the package tools and the journal write at any time.
all_files() {
  find / -xdev \( -path /var/lib/docker -o -path /var/lib/containerd -o -path '/var/lib/vm-*' -o -path /var/lib/dpkg \
    -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /tmp -o -path /var/tmp -o -path /run -o -path /opt/vm \
    -o -path /var/lib/systemd -o -path /etc/machine-id -o -path /root -o -path /results \) -prune -o -printf '%p %M %U:%G %l\n' | sort
}
