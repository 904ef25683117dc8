#!/bin/bash
# Runs inside the emulated arm64, as the only thing there is: each test file by itself, one line for each. The files
# are listed in `files`; what they are given is all that scripts/arm64 has packed.
set -u
cd /w
export PATH=/w/node_modules/.bin:/usr/sbin:/usr/bin
# Emulation takes twenty times as long and more: the limits of tests are none of what is tested here.
export TAP_TIMEOUT=3600 TEST_SLOWNESS=10
ip link set lo up
# The kernel loads these modules at their first use only, but tests look before that whether it has them: iptables-legacy,
# tap interfaces, frames within a bridge that pass the rules, and (nfnetlink_log) reports of the rules of iptables-legacy
# that a packet meets.
modprobe -a ip_tables tun br_netfilter nfnetlink_log
echo "# up $(cut -d ' ' -f 1 /proc/uptime) s: $(uname -srm), pages of $(awk '/^KernelPageSize/ {print $2; exit}' /proc/self/smaps) kB, Node.js $(node --version), $(iptables --version)"

while read -r file; do
  started=$SECONDS
  status=0
  timeout -k 10 "$(cat limit)" node --import=tsx "$file" >/tmp/output 2>&1 || status=$?
  passed=$(grep -c '^ok ' /tmp/output)
  skipped=$(grep -c '^ok .*# SKIP' /tmp/output)
  line="$file: $((passed - skipped)) passed, $skipped skipped, $((SECONDS - started)) s"
  if [ "$status" = 0 ] && [ "$passed" != 0 ]; then
    echo "ok - $line"
    grep '^ok .*# SKIP' /tmp/output | sed 's/^/#   /'
  else
    echo "not ok - $line, status $status"
    grep -A 40 -E '^ *not ok|Error' /tmp/output | head -n 150 | sed 's/^/#   /'
    tail -n 5 /tmp/output | sed 's/^/#   /'
  fi
done <files
echo '# done'
