# Sourced by guest.sh: the units as scripts/install puts them there.

service_checks() {
  local links_before rules_before
  links_before=$(links)
  rules_before=$(sorted_rules)
  check 'scripts/install' scripts/install
  check 'systemd takes the units' systemd-analyze verify --man=no \
    /etc/systemd/system/tsbridge.service /etc/systemd/system/tsbridge.socket
  check 'enable --now' systemctl enable -q --now tsbridge.socket tsbridge.service
  check 'the service is active once it listens (Type=notify)' became_ready
  check 'the units are ordered before docker.service' ordered
  check 'exposure is 2.5 or better' systemd-analyze security --no-pager --threshold=25 tsbridge.service
  check 'also of what holds ports' systemd-analyze security --no-pager --threshold=25 tsbridge-proxy@1.service
  note "$(systemd-analyze security --no-pager tsbridge.service | tail -n 1 | tr -dc '[:print:]')"
  check 'the daemon has the capabilities of the unit, and no others' least_capabilities
  activation_checks
  parity_checks
  published_checks
  interruption_checks
  engine_checks
  legacy_checks
  uninstall_checks
  check 'links are what they were before' equal "$links_before" "$(links)"
  check 'rules are what they were before' equal "$rules_before" "$(sorted_rules)"
}

became_ready() {
  equal "notify active running" "$(show Type) $(show ActiveState) $(show SubState)" &&
    journalctl -u tsbridge -o cat | grep -q '"msg":"listening"'
}

ordered() {
  [[ " $(show Before) " == *' docker.service '* ]] &&
    [[ " $(show Before tsbridge.socket) " == *' docker.service '* ]] &&
    [[ " $(show After docker.service) " == *' tsbridge.service '* ]]
}

least_capabilities() {
  # 10 NET_BIND_SERVICE, 12 NET_ADMIN, 13 NET_RAW
  equal "$(printf '%016x' $((1 << 10 | 1 << 12 | 1 << 13)))" \
    "$(sed -n 's/^CapEff:\t//p' "/proc/$(show MainPID)/status")"
}

activation_checks() {
  check 'systemctl stop leaves the socket' stop_service
  check 'a call starts the service (socket activation)' called_by_socket
  check 'the socket is 0600 and root'"'"'s' equal '600 root:root' \
    "$(stat -c '%a %U:%G' /run/docker/plugins/tsbridge.sock)"
  # This kernel has no modules, where it is not the VM's own.
  [ -n "${VM_NAMESPACES-}" ] || check 'br_netfilter is loaded for the first network that needs it' loads_br_netfilter
}
stop_service() {
  systemctl stop tsbridge.service && [ "$(show ActiveState)" = inactive ] &&
    [ "$(show ActiveState tsbridge.socket)" = active ]
}
called_by_socket() {
  docker network create -d tsbridge --subnet 10.77.1.0/24 app && [ "$(show ActiveState)" = active ]
}
# By systemd: the unit leaves the daemon no CAP_SYS_MODULE. This engine has loaded it at its own start.
loads_br_netfilter() {
  modprobe -r br_netfilter && [ ! -e /proc/sys/net/bridge ] || return 1
  docker network create -d tsbridge -o com.docker.network.bridge.enable_icc=false filtered &&
    docker network rm filtered && equal 1 "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables)"
}

published_checks() {
  check 'a container with published ports' serve web tcp/80,udp/53 --network app \
    -p 8080:80 -p 53:53/udp -p 127.0.0.1:8081:80
  check 'from another host: DNAT, the client seen' answers tcp "$host" 8080 'web saw 192.0.2.2' lan
  check 'from the VM, at its own address' answers tcp "$host" 8080 'web saw'
  check 'from the VM, at 127.0.0.1: the proxy' answers tcp 127.0.0.1 8080 'web saw 10.77.1.1'
  check 'a port below 1024, UDP, from another host' answers udp "$host" 53 'web saw 192.0.2.2' lan
  check 'a port below 1024, UDP, at 127.0.0.1' answers udp 127.0.0.1 53 'web saw'
  check 'a port of 127.0.0.1 is not for other hosts' refused answers tcp "$host" 8081 web lan
  check 'a port of 127.0.0.1 is for the VM' answers tcp 127.0.0.1 8081 'web saw'
  check 'a second container' serve other tcp/80 --network app
  check 'containers find each other by name' inside other web 80
  check 'a container reaches its own published port' inside web "$host" 8080
  check 'a port that is taken is refused with the words of Docker' refused_port
  check 'docker stop frees the port' stopped
  check 'docker start has it again' started_again
  check 'the process that faces the network has CAP_NET_BIND_SERVICE only' least_of_proxy
  check 'it is a unit of its own' own_unit
  check 'it sees nothing of the host' empty_root
  check 'nothing is to be repaired, nothing is degraded' tsbridge status
}
least_of_proxy() {
  local task capabilities
  for task in /proc/"$(proxy_pid)"/task/*/status; do
    capabilities=$(sed -nE 's/^Cap(Eff|Prm):\t//p' "$task")
    equal "$(printf '%016x\n' $((1 << 10)) $((1 << 10)))" "$capabilities" || return 1
  done
}
own_unit() {
  grep -q '/tsbridge-proxy@[0-9]*\.service$' "/proc/$(proxy_pid)/cgroup" &&
    equal "$(proxy_pid)" "$(systemctl show -P MainPID 'tsbridge-proxy@*' --state=active | grep .)"
}
empty_root() {
  local root
  root=/proc/$(proxy_pid)/root
  equal 'ld.so.cache' "$(ls "$root/etc")" && equal "$(printf 'systemd\ntsbridge')" "$(ls "$root/run")" &&
    equal proxy "$(ls "$root/run/tsbridge")" && [ ! -e "$root/usr/bin" ] && [ ! -e "$root/var/lib" ]
}
refused_port() {
  local output
  output=$(docker run --rm --network app -p 8080:80 "$image" true 2>&1) && return 1
  printf '%s\n' "$output"
  [[ $output == *'Bind for 0.0.0.0:8080 failed: port is already allocated'* ]]
}
stopped() {
  docker stop -t 5 web && refused answers tcp 127.0.0.1 8080 web && ! ss -Hltn | grep ':8080 '
}
started_again() {
  docker start web && eventually 60 answers tcp "$host" 8080 'web saw 192.0.2.2' lan &&
    answers tcp 127.0.0.1 8080 'web saw'
}

# The published port is asked all the while, by DNAT and through the proxy.
interruption_checks() {
  local proxy
  proxy=$(proxy_pid)
  check 'the proxy is one process' equal 1 "$(proxy_pid | wc -l)"
  interrupted 'systemctl restart tsbridge' systemctl restart tsbridge.service
  interrupted 'systemctl stop, 3 s, start' stop_and_start
  interrupted 'kill -9 of the daemon' killed
  check 'the proxy is the same process' equal "$proxy" "$(proxy_pid)"
  interrupted 'another build, systemctl restart tsbridge' updated
  check 'the proxy is another process, of that build' eventually 60 handed_over "$proxy"
  interrupted_dnat 'kill -9 of the proxy (DNAT)' kill_proxy
  check 'the proxy is back' eventually 60 answers tcp 127.0.0.1 8080 'web saw'
  check 'a proxy that hangs is replaced by the call that finds it' hung_proxy
  check 'it is a unit of its own again' eventually 60 own_unit
  check 'with all ports' eventually 60 answers tcp 127.0.0.1 8080 'web saw'
  check 'calls work after all that' docker network create -d tsbridge later
  check 'and leave nothing' docker network rm later
}
# What is installed differs by its build id: that is what an update shows to the daemon.
updated() {
  local old
  eventually 60 tsbridge status && old=$(build_of daemon) && [ -n "$old" ] &&
    sed -i "s/\"$old\"/\"${old:6}${old:0:6}\"/" /usr/local/lib/tsbridge/dist/*.js &&
    systemctl restart tsbridge.service && eventually 60 tsbridge status && refused equal "$old" "$(build_of daemon)"
}
# handed_over PID: the former process ends with its last connection.
handed_over() {
  equal 1 "$(proxy_pid | wc -l)" && refused equal "$1" "$(proxy_pid)" &&
    equal "$(build_of daemon)" "$(build_of proxy)"
}
build_of() { tsbridge status | sed -nE "s/^ +$1 runs +build ([0-9a-f]+),.*/\1/p"; }
stop_and_start() { systemctl stop tsbridge.service && sleep 3 && systemctl start tsbridge.service; }
killed() {
  local old
  old=$(show MainPID)
  kill -9 "$old"
  eventually 300 new_daemon "$old"
}
new_daemon() { [ "$(show ActiveState)" = active ] && [ "$(show MainPID)" != "$1" ]; }
kill_proxy() { kill -9 "$(proxy_pid)" && sleep 2; }

hung_proxy() {
  local old
  old=$(proxy_pid)
  kill -STOP "$old"
  docker run -d --name late --network app -p 8070:80 "$image" sleep 1000 && docker rm -f late &&
    refused equal "$old" "$(proxy_pid)" && eventually 15 refused kill -0 "$old"
}

interrupted() {
  local name=$1 holders=() file
  shift
  held "$name" lan:"$host" here:127.0.0.1 here:"$host" -- "$@"
}
interrupted_dnat() {
  local name=$1
  shift
  held "$name" lan:"$host" -- "$@"
}
# held NAME PLACE:ADDRESS[:PORT[/PROTO]]… -- COMMAND…: no question of the port (8080) fails while the command runs.
held() {
  local name=$1 holders=() files=() place address port prefix file
  shift
  while [ "$1" != -- ]; do
    IFS=: read -r place address port <<<"$1"
    port=${port:-8080}
    [[ $port == */* ]] || port+=/tcp
    prefix=()
    [ "$place" != lan ] || prefix=(ip netns exec lan)
    file=/run/held-$place-$address-${port/\//-}
    rm -f "$file"
    "${prefix[@]}" python3 "$here/traffic.py" hold "${port#*/}" "$address" "${port%/*}" "$file" &
    holders+=($!)
    files+=("$file")
    shift
  done
  shift
  sleep 1
  check "$name" "$@"
  sleep 2
  kill "${holders[@]}"
  wait "${holders[@]}" 2>/dev/null
  for file in "${files[@]}"; do
    check "  no question of ${file#/run/held-} failed: $(cat "$file" 2>&1)" grep -q ', 0 failed' "$file"
  done
}

engine_checks() {
  check 'systemctl restart docker leaves tsbridge alone' restart_docker
  check 'containers start again on their network' docker start web other
  check 'the published port is back' eventually 60 answers tcp "$host" 8080 'web saw 192.0.2.2' lan
  check 'kill -9 of dockerd: systemd starts it again' kill_dockerd
  check 'containers start again after that' docker start web other
  check 'the published port is back again' eventually 60 answers tcp "$host" 8080 'web saw 192.0.2.2' lan
  check 'also through the proxy' eventually 60 answers tcp 127.0.0.1 8080 'web saw'
  check 'iptables -F is repaired' flushed
}
restart_docker() {
  local before
  before=$(show MainPID)
  systemctl restart docker.service && equal "$before" "$(show MainPID)"
}
kill_dockerd() {
  local old
  old=$(show MainPID docker.service)
  kill -9 "$old"
  eventually 300 new_dockerd "$old" && eventually 300 docker info
}
new_dockerd() {
  [ "$(show ActiveState docker.service)" = active ] && [ "$(show MainPID docker.service)" != "$1" ]
}
flushed() {
  local before
  before=$(sorted_rules | grep BRIDGE)
  iptables -F && iptables -t nat -F
  eventually 30 as_before "$before"
}
as_before() { equal "$1" "$(sorted_rules | grep BRIDGE)"; }

# iptables-legacy needs modules, the lock file and a raw socket: what hardening could take away.
legacy_checks() {
  check 'with iptables-legacy: Docker and tsbridge restarted' use_iptables legacy
  check 'a container' serve old tcp/80 --network app -p 8090:80
  check 'the rules are in iptables-legacy' rule_in_legacy
  check 'from another host, by iptables-legacy' answers tcp "$host" 8090 'old saw 192.0.2.2' lan
  check 'the container goes' docker rm -f old
  check 'back to iptables-nft' use_iptables nft
}
use_iptables() {
  docker stop -t 2 web other >/dev/null
  systemctl stop docker.service docker.socket tsbridge.service
  iptables -F && iptables -t nat -F && iptables -X && iptables -t nat -X
  iptables -P FORWARD ACCEPT
  # As after a boot: whoever switches it on sets the policy, too.
  sysctl -qw net.ipv4.ip_forward=0
  update-alternatives --set iptables "/usr/sbin/iptables-$1" &&
    update-alternatives --set ip6tables "/usr/sbin/ip6tables-$1" &&
    # A fast machine has started it more than three times in a minute by now.
    systemctl reset-failed docker.service &&
    systemctl start tsbridge.service docker.service
}
rule_in_legacy() { iptables-legacy-save -t nat | grep -q 'dport 8090'; }

uninstall_checks() {
  check '--uninstall is refused while there are networks' refused scripts/install --uninstall
  check 'the service still runs' equal active "$(show ActiveState)"
  check 'containers and networks go' docker rm -f web other
  check 'network rm' docker network rm app
  check '--uninstall' scripts/install --uninstall
  check 'nothing of it is left' nothing_left
}
nothing_left() {
  local path
  for path in /usr/local/lib/tsbridge /usr/local/bin/tsbridge /etc/systemd/system/tsbridge* \
    /run/docker/plugins/tsbridge.sock; do
    [ ! -e "$path" ] || { echo "$path is there" && return 1; }
  done
  eventually 15 refused pgrep -af tsbridge/dist
}
