# Sourced by guest.sh: on Debian's kernel and engine, both drivers lead to the same rules, links and
# settings, and to the same traffic. The engine tests compare far more, in namespaces.

parity_checks() {
  same 'a network' '' ''
  # One kind at a time: the order in which an engine hands out several ports is not stable.
  same 'a published port of one address' '' '-p 127.0.0.1:53:53/udp'
  same 'published ports' '' '-p 7000-7002:7000-7002'
  same 'an internal network' --internal ''
  same 'no ICC, no masquerade' \
    '-o com.docker.network.bridge.enable_icc=false -o com.docker.network.bridge.enable_ip_masquerade=false' \
    '-p 8080:80'
  same 'IPv6' '--ipv6 --subnet fd77::/64' '-p 8080:80'
  check 'no ICC: a network' docker network create -d tsbridge \
    -o com.docker.network.bridge.enable_icc=false apart
  check 'no ICC: a container' serve left tcp/80 --network apart -p 8080:80
  check 'no ICC: another' serve right tcp/80 --network apart
  check 'no ICC: they do not reach each other' not_inside right \
    "$(docker inspect -f '{{.NetworkSettings.Networks.apart.IPAddress}}' left)" 80
  check 'no ICC: a published port answers' answers tcp "$host" 8080 'left saw 192.0.2.2' lan
  check 'no ICC: they go' docker rm -f left right
  check 'no ICC: the network, too' docker network rm apart
}

# same NAME NETWORK-OPTIONS RUN-OPTIONS
same() {
  local driver
  for driver in bridge tsbridge; do
    # shellcheck disable=SC2086 # options are words
    { docker network create -d "$driver" --subnet 10.77.6.0/24 $2 same &&
      docker run -d --name same --network same $3 "$image" sleep 1000; } >"/run/same-$driver-made" 2>&1
    same_state >"/run/same-$driver"
    docker rm -f same >/dev/null
    docker network rm same >/dev/null
    same_state >"/run/same-$driver-after"
  done
  check "as the built-in driver: $1" both_made
  check "as the built-in driver: $1: rules, links and settings" diff /run/same-bridge /run/same-tsbridge
  check "as the built-in driver: $1: what stays" diff /run/same-bridge-after /run/same-tsbridge-after
}
both_made() {
  cat /run/same-bridge-made /run/same-tsbridge-made
  # Two ids each, the network's and the container's.
  equal 4 "$(cat /run/same-bridge-made /run/same-tsbridge-made | grep -cE '^[0-9a-f]{64}$')"
}
# A socket for both families counts as the two that it stands for (docs/reliability.md promises it).
listeners() { ss -Hltnu | awk '{print $1, $5}' | sed -nE 'h; s/ \*:/ 0.0.0.0:/p; g; s/ \*:/ [::]:/; p' | sort; }
same_state() {
  local bridge
  # In order: a jump in another place can let packets through that it should have stopped.
  rules
  ip6tables-save | sed -E '/^#/d; s/\[[0-9]+:[0-9]+\]//; s/br-[0-9a-f]{12}/BRIDGE/g'
  listeners
  for bridge in $(ip -br link show type bridge | awk '{print $1}' | grep '^br-'); do
    ip -br addr show "$bridge" | sed -E 's/br-[0-9a-f]{12}/BRIDGE/; s/fe80:[^ ]*//'
    ip -d link show master "$bridge" | grep -oE 'mtu [0-9]+|hairpin (on|off)|state [A-Z]+'
    (cd /proc/sys/net && grep -rsH . ipv{4,6}/conf/"$bridge" | grep -v stable_secret | sort) |
      sed -E 's/br-[0-9a-f]{12}/BRIDGE/'
  done
}
