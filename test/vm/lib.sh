# Sourced by guest.sh: what the checks share. Runs inside the VM only, where anything may be changed.
#
#   lan 192.0.2.2 ── veth ── 192.0.2.1 the VM
here=/opt/vm/test/vm
host=192.0.2.1
image=busybox

# How many times as long as elsewhere things may take, by how long the machine took to boot: 10 s with KVM, a minute
# and more in emulation. Promises have no part in it: no check is about a time.
patience() {
  local seconds
  if [ -n "${VM_NAMESPACES-}" ]; then seconds=1; else seconds=$(cut -d . -f 1 /proc/uptime); fi
  printf '%s\n' $((seconds / 10 + 1))
}
VM_PATIENCE=$(patience)
export VM_PATIENCE

note() { printf '# %s\n' "$*"; }

# check NAME COMMAND…: `ok` if the command's status is 0; otherwise its output follows.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1 </dev/null); then
    printf 'ok - %s\n' "$name"
  else
    printf 'not ok - %s\n' "$name"
    {
      printf '%s\n' "$output" | tail -n 60
      journalctl -b -u tsbridge -n 8 -o short-monotonic --no-pager 2>/dev/null | cut -c 1-300
    } | sed 's/^/#   /'
  fi
}

# equal A B: fails showing what differs.
equal() { diff <(printf '%s\n' "$1") <(printf '%s\n' "$2"); }
refused() { ! "$@"; }

# eventually SECONDS COMMAND…: until its status is 0, for that many seconds on a fast machine.
eventually() {
  local end=$((SECONDS + $1 * VM_PATIENCE))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.2
  done
}

show() { systemctl show -P "$1" "${2:-tsbridge.service}"; }
traffic() { python3 "$here/traffic.py" "$@"; }
lan() { ip netns exec lan "$@"; }

# answers PROTO HOST PORT EXPECTED [PLACE…]: the answer contains EXPECTED, asked from PLACE.
answers() {
  local proto=$1 to=$2 port=$3 expected=$4 answer
  shift 4
  answer=$("$@" python3 "$here/traffic.py" ask "$proto" "$to" "$port") || return 1
  printf '%s\n' "$answer"
  [[ $answer == *"$expected"* ]]
}
# inside CONTAINER HOST PORT: the same from a container.
inside() { docker exec -e VM_PATIENCE "$1" python3 /t/traffic.py ask tcp "$2" "$3"; }

# The question got no answer; a container that does not run is no proof of isolation.
not_inside() {
  local output
  output=$(inside "$@" 2>&1) && return 1
  printf '%s\n' "$output"
  [[ $output == *"ask tcp $2 $3: "* ]]
}

# serve NAME PORTS DOCKER-RUN-ARGUMENT…: a container that answers on PORTS (tcp/80,sctp/99).
serve() {
  local name=$1 ports=$2
  shift 2
  docker run -d --name "$name" --hostname "$name" -v /usr:/usr:ro -v "$here:/t:ro" "$@" \
    "$image" python3 /t/traffic.py serve ${ports//,/ } >/dev/null &&
    eventually 60 serving "$name"
}
serving() { docker logs "$1" 2>&1 | grep -q ready; }

# Rules without counters, comments and the names of bridges made from network ids.
rules() { iptables-save | sed -E '/^#/d; s/\[[0-9]+:[0-9]+\]//; s/br-[0-9a-f]{12}/BRIDGE/g'; }
sorted_rules() { rules | sort; }
links() { ip -br link | awk '{print $1}' | sed 's/@.*//' | grep -v '^veth' | sort; }
proxy_pid() { pgrep -x tsbridge-proxy || pgrep -f proxy/main.js; }

# The host beside the VM, at every boot before Docker.
make_lan() {
  cat >/etc/systemd/system/vm-lan.service <<'UNIT'
[Unit]
Description=A second host in a network namespace
DefaultDependencies=no
After=local-fs.target
Before=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip netns add lan
ExecStart=ip link add uplink type veth peer name eth0 netns lan
ExecStart=ip addr add 192.0.2.1/24 dev uplink
ExecStart=ip link set uplink up
ExecStart=ip -n lan addr add 192.0.2.2/24 dev eth0
ExecStart=ip -n lan link set lo up
ExecStart=ip -n lan link set eth0 up
ExecStart=ip -n lan route add default via 192.0.2.1

[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload
  systemctl enable -q --now vm-lan.service
}
