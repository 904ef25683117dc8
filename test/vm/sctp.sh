# Sourced by guest.sh: SCTP, which few kernels for containers and CI have, on Debian's.

sctp_checks() {
  # Nothing has opened such a socket yet: the first one, under the unit's hardening, loads the module.
  note "sctp module before the first port: $(lsmod | grep -c '^sctp ')"
  sctp_parity 'with the proxy'
  sctp_traffic
  userland_proxy false
  sctp_parity 'without the proxy'
  sctp_without_proxy
  userland_proxy true
}

# The rules of one published SCTP port, and what stays of them, by the built-in driver and by us.
sctp_parity() {
  sctp_rules bridge
  sctp_rules tsbridge
  check "SCTP $1: there are rules" grep -e '-p sctp.*--dport 9999' /run/sctp-tsbridge
  check "SCTP $1: the built-in driver's rules, in the same order" \
    diff /run/sctp-bridge /run/sctp-tsbridge
  check "SCTP $1: no rule stays" diff /run/sctp-bridge-after /run/sctp-tsbridge-after
}
sctp_rules() {
  docker network create -d "$1" --subnet 10.77.5.0/24 sctp >/dev/null &&
    docker run -d --name sctp --network sctp -p 9999:99/sctp "$image" sleep 1000 >/dev/null
  rules >"/run/sctp-$1"
  docker rm -f sctp >/dev/null
  docker network rm sctp >/dev/null
  rules >"/run/sctp-$1-after"
}

sctp_traffic() {
  check 'SCTP: a container' sctp_container
  check 'SCTP from another host: DNAT, the client seen' answers sctp "$host" 9999 'sctp saw 192.0.2.2' lan
  check 'SCTP from the VM, at its own address' answers sctp "$host" 9999 'sctp saw'
  check 'SCTP from the VM, at 127.0.0.1: the proxy' answers sctp 127.0.0.1 9999 'sctp saw 10.77.5.1'
  check 'SCTP through the proxy: 30,000 bytes in one message' sctp_bytes 30000
  check 'SCTP through the proxy: a connection that is idle for 12 s' sctp_idle
  check 'SCTP through the proxy: a port where nobody listens is refused' refused \
    answers sctp 127.0.0.1 9998 ''
  check 'SCTP: the port is taken' sctp_taken
  check 'SCTP: container and network go' sctp_gone
}
sctp_container() {
  docker network create -d tsbridge --subnet 10.77.5.0/24 sctp &&
    serve sctp sctp/99 --network sctp -p 9999:99/sctp -p 9998:98/sctp
}
sctp_bytes() {
  local text
  text=$(printf "%$1s" '' | tr ' ' x)
  grep -q ": $1 " <<<"$(traffic ask sctp 127.0.0.1 9999 "$text")"
}
sctp_idle() {
  local lines
  lines=$(traffic ask sctp 127.0.0.1 9999 hello 12) && printf '%s\n' "$lines" &&
    equal 2 "$(grep -c 'sctp saw' <<<"$lines")"
}
sctp_taken() {
  refused docker run --rm --network sctp -p 9999:99/sctp "$image" true
}
sctp_gone() {
  docker rm -f sctp && docker network rm sctp && refused answers sctp 127.0.0.1 9999 sctp
}

sctp_without_proxy() {
  check 'SCTP without the proxy: a container' sctp_container
  check 'SCTP without the proxy, from another host' answers sctp "$host" 9999 'sctp saw 192.0.2.2' lan
  check 'SCTP without the proxy, from the VM' answers sctp "$host" 9999 'sctp saw'
  check 'SCTP without the proxy, at 127.0.0.1 (route_localnet)' answers sctp 127.0.0.1 9999 'sctp saw'
  check 'SCTP without the proxy: container and network go' sctp_gone
}

# Both drivers with or without the userland proxy, from a clean start.
userland_proxy() {
  mkdir -p /etc/docker
  printf '{"userland-proxy": %s}\n' "$1" >/etc/docker/daemon.json
  printf 'TSBRIDGE_USERLAND_PROXY=%s\n' "$1" >/etc/default/tsbridge
  check "userland-proxy $1" systemctl restart tsbridge.service docker.service
  # What dockerd needed for its own bridge without the proxy, it leaves behind until the next boot.
  [ "$1" = false ] || iptables -t nat -D POSTROUTING -o docker0 -m addrtype --src-type LOCAL -j MASQUERADE
}
