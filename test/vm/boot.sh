# Sourced by guest.sh: what is there after a reboot, without any command.

before_reboot() {
  check 'networks with containers that are always restarted' restarted_containers
  eventually 60 boot_answers
  boot_checks 'before the reboot'
  sorted_rules >/var/lib/vm-rules
  # Asked before dockerd is started; the answer is looked at afterwards.
  mkdir -p /etc/systemd/system/docker.service.d
  cat >/etc/systemd/system/docker.service.d/vm.conf <<UNIT
[Service]
ExecStartPre=-/bin/sh -c 'VM_PATIENCE=$VM_PATIENCE exec python3 /opt/vm/test/vm/traffic.py activate >/run/vm-activate 2>&1'
UNIT
  systemctl daemon-reload
}

# The machine's own kernel, which runs systemd in namespaces, has no SCTP.
has_sctp() { [ -z "${VM_NAMESPACES-}" ]; }

# Fixed addresses: else they depend on the order in which the engine starts containers.
restarted_containers() {
  local ports=tcp/80 sctp=()
  if has_sctp; then ports+=,sctp/99 sctp=(-p 9999:99/sctp); fi
  docker network create -d tsbridge --subnet 10.77.1.0/24 app &&
    docker network create -d tsbridge --subnet 10.77.2.0/24 db &&
    docker network create -d tsbridge --subnet 10.77.3.0/24 --internal inner &&
    docker network create -d bridge --subnet 10.77.4.0/24 builtin &&
    serve web "$ports" --restart always --network app --ip 10.77.1.10 -p 8080:80 "${sctp[@]}" &&
    serve peer tcp/80 --restart always --network app --ip 10.77.1.11 &&
    serve sql tcp/80,udp/53 --restart always --network db --ip 10.77.2.10 -p 53:53/udp -p 127.0.0.1:8081:80 &&
    serve secret tcp/80 --restart always --network inner --ip 10.77.3.10 &&
    serve plain tcp/80 --restart always --network builtin --ip 10.77.4.10 -p 8082:80 &&
    docker network connect --ip 10.77.2.11 db peer
}
boot_answers() {
  answers tcp "$host" 8080 web lan >/dev/null 2>&1 && inside peer sql 80 >/dev/null 2>&1 &&
    answers tcp "$host" 8082 plain lan >/dev/null 2>&1
}

after_reboot() {
  note "up $(cut -d ' ' -f 1 /proc/uptime) s; $(docker info -f '{{.ContainersRunning}} of {{.Containers}} containers run')"
  check "$1: all containers answer" eventually 300 boot_answers
  check "$1: the socket was there before dockerd" socket_first
  check "$1: tsbridge was ready before dockerd" service_first
  check "$1: the socket answered before dockerd" grep -q NetworkDriver /run/vm-activate
  note "$(boot_times)"
  boot_checks "$1"
  check "$1: the rules are those of before" diff /var/lib/vm-rules <(sorted_rules)
  check "$1: no unit has failed" no_failed_unit
  check "$1: no error in the log of tsbridge" no_errors
  check "$1: no error in the log of dockerd" no_engine_errors
  # Whatever was logged too early to be seen by the next boot.
  journalctl --sync
}

boot_checks() {
  check "$1: from another host to a published port" answers tcp "$host" 8080 'web saw 192.0.2.2' lan
  check "$1: through the proxy" answers tcp 127.0.0.1 8080 'web saw 10.77.1.1'
  check "$1: UDP, from another host" answers udp "$host" 53 'sql saw 192.0.2.2' lan
  ! has_sctp || check "$1: SCTP, from another host" answers sctp "$host" 9999 'web saw 192.0.2.2' lan
  check "$1: a port of 127.0.0.1" answers tcp 127.0.0.1 8081 'sql saw'
  check "$1: by name, on one network" inside peer web 80
  check "$1: by name, on the second network of a container" inside peer sql 80
  check "$1: networks are isolated" not_inside web 10.77.2.10 80
  check "$1: also from the built-in driver's" not_inside plain 10.77.1.10 80
  check "$1: an internal network is reached from nowhere" refused answers tcp 10.77.3.10 80 secret lan
  check "$1: and leads nowhere" not_inside secret 10.77.1.10 80
  check "$1: container to the world" outside
}
outside() {
  # No function here: `kill` is to reach the program itself.
  ip netns exec lan python3 "$here/traffic.py" serve tcp/7000 >/dev/null 2>&1 &
  local server=$! status=0
  # Masqueraded: the other host sees the VM.
  eventually 10 world_sees || status=1
  kill "$server"
  return "$status"
}
world_sees() { [[ $(inside web 192.0.2.2 7000) == *'saw 192.0.2.1'* ]]; }

stamp() { systemctl show -P "$2" "$1"; }
socket_first() {
  [ "$(stamp tsbridge.socket ActiveEnterTimestampMonotonic)" -lt \
    "$(stamp docker.service ExecMainStartTimestampMonotonic)" ]
}
service_first() {
  [ "$(stamp tsbridge.service ActiveEnterTimestampMonotonic)" -lt \
    "$(stamp docker.service ExecMainStartTimestampMonotonic)" ]
}
boot_times() {
  local unit
  for unit in tsbridge.socket tsbridge.service docker.service; do
    printf '%s active at %d ms; ' "$unit" "$(($(stamp "$unit" ActiveEnterTimestampMonotonic) / 1000))"
  done
  printf 'dockerd started at %d ms' "$(($(stamp docker.service ExecMainStartTimestampMonotonic) / 1000))"
}
no_failed_unit() {
  local failed
  failed=$(systemctl list-units --state=failed --no-legend --plain)
  equal '' "$failed"
}
no_engine_errors() {
  local lines
  # In namespaces, an overlay cannot lie on an overlay: the engine tries, and takes another driver for its images.
  lines=$(journalctl -b -u docker -o cat | grep 'level=error' | grep -v 'storage-driver=' || :)
  equal '' "$lines"
}
no_errors() {
  local lines
  lines=$(journalctl -b -u tsbridge -o cat | grep -E '"level":"?(error|fatal|50|60)' || :)
  equal '' "$lines"
}
