#!/bin/bash
# Runs inside the VM at each boot, started by vm-tests.service; what it prints goes to scripts/vm.
# The file /var/lib/vm-boot says how often the VM was booted.
set -u
cd /opt/vm
for file in lib service parity sctp boot packages; do . "test/vm/$file.sh"; done
boot=$(($(cat /var/lib/vm-boot 2>/dev/null || echo 0) + 1))
echo "$boot" >/var/lib/vm-boot
wanted=$(cat parts)
wants() { [[ " $wanted " == *" $1 "* ]]; }

finish() {
  echo '# done'
  sync
  systemctl poweroff
  exit
}

# As on a host where somebody has installed Docker; tsbridge is not there yet, and no Node.js ever is.
prepare() {
  # In emulation, on a machine that does other things, too, Node.js can take a minute to start.
  mkdir -p /etc/systemd/system.conf.d
  printf '[Manager]\nDefaultTimeoutStartSec=600\n' >/etc/systemd/system.conf.d/vm.conf
  systemctl daemon-reexec
  make_lan
  docker import /opt/image.tar "$image"
}

# Only for a part that does not test it.
install_tsbridge() {
  scripts/install && systemctl enable -q --now tsbridge.socket tsbridge.service
}

# A life with the package has a reboot of its own.
if wants packages; then
  note "boot $boot, patience $VM_PATIENCE: $(. /etc/os-release && echo "$PRETTY_NAME"), $(dockerd --version), $(systemctl --version | head -n 1)"
  if [ "$boot" = 1 ]; then
    check 'Docker runs, with a second host beside it' prepare
    packages_before_reboot
    systemctl reboot
  else
    packages_after_reboot
    finish
  fi
  exit
fi
note "boot $boot, up $(cut -d ' ' -f 1 /proc/uptime) s, patience $VM_PATIENCE: Linux $(uname -r), $(dockerd --version)"
case $boot in
1)
  note "systemd $(systemctl --version | head -n 1), $(iptables --version), Node.js $(node_modules/.bin/node --version)"
  check 'Docker runs, with a second host beside it' prepare
  if wants service; then service_checks; fi
  if wants sctp || wants boot; then check 'tsbridge installed' install_tsbridge; fi
  if wants sctp; then sctp_checks; fi
  wants boot || finish
  before_reboot
  sync
  systemctl reboot
  ;;
2)
  after_reboot 'after a reboot'
  # Power is cut: nothing is stopped, nothing is told.
  sync
  # There, what was not synced is lost to nobody: the kernel goes on.
  if [ -n "${VM_NAMESPACES-}" ]; then exec systemctl --force --force reboot; fi
  echo b >/proc/sysrq-trigger
  ;;
*)
  after_reboot 'after a power cut'
  finish
  ;;
esac
