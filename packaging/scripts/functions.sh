# What the scripts of the Debian package and of the RPM share: both have these functions before their own lines.
# $root is the folder that the host is in: empty but for dpkg with --force-script-chrootless.

# Whether the unit in /etc starts a program that is not this package's (of scripts/install or npm). It wins over the
# packaged unit, so that the service, its records, settings and sockets belong to that installation.
beside_other() {
  [ -f "$root/etc/systemd/system/tsbridge.service" ] &&
    grep -q '^ExecStart=/' "$root/etc/systemd/system/tsbridge.service" &&
    ! grep -q '^ExecStart=/usr/lib/tsbridge/' "$root/etc/systemd/system/tsbridge.service"
}

# Elsewhere (a container, a root that is being built) the next boot does what systemd is told here.
systemd_runs() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

# The folder's name ends with a slash, so that it may be a link to another disk.
count_networks() {
  find "$root/var/lib/tsbridge/" -type f -path '*network*' -name '*.json' 2>/dev/null | wc -l
}

# Before anything is unpacked: the other installation would stay, and its unit would win.
refuse_beside_other() {
  beside_other || return 0
  echo "tsbridge: the unit in /etc/systemd/system is of an installation from a clone or by npm. Remove that one first:" >&2
  echo "  scripts/install --uninstall --force    (with its --prefix, if it was given one; by npm: see docs/install.md)" >&2
  echo "Networks and records stay as they are, and this package takes them over." >&2
  exit 1
}

# The driver of networks that Docker still has does not go: their containers could not start any more.
refuse_with_networks() {
  # The record of a network goes with its bridge, a moment after `docker network rm` has returned.
  tries=50
  while [ "$tries" -gt 0 ] && grep -rqs --include='*.json' '"phase":"removing"' "$root/var/lib/tsbridge"; do
    sleep 0.2
    tries=$((tries - 1))
  done
  left=$(count_networks)
  [ "$left" -gt 0 ] || return 0
  echo "tsbridge: there are still $left networks of this driver. Remove them first:" >&2
  echo "  docker network ls --filter driver=tsbridge    then    docker network rm NAME" >&2
  echo "or, if their engine is gone for good, delete /var/lib/tsbridge." >&2
  exit 1
}

before_removal() {
  if beside_other; then return 0; fi
  refuse_with_networks
  systemd_runs || return 0
  systemctl disable --now tsbridge.service tsbridge.socket || true
  # The process that holds published ports outlives the daemon on purpose.
  systemctl kill tsbridge.service 2>/dev/null || true
  systemctl stop 'tsbridge-proxy@*.service' || true
}

# Also one that has failed: what an older version could not read, such as settings, this one may.
# A package whose daemon does not start is installed all the same, so that the package tools go on working.
restart_updated() {
  systemd_runs || return 0
  systemctl daemon-reload || true
  if systemctl is-active --quiet tsbridge.service || systemctl is-failed --quiet tsbridge.service; then
    systemctl restart tsbridge.service ||
      echo "tsbridge: the daemon of this version does not start; networks and ports stay: journalctl -u tsbridge" >&2
  fi
}

reload_units() { if systemd_runs; then systemctl daemon-reload || true; fi; }

purge() {
  if beside_other; then
    echo "tsbridge: kept /var/lib/tsbridge, /etc/tsbridge and /run/tsbridge: they are those of another installation" >&2
    return 0
  fi
  # What cannot be deleted, as the place of a mount, is told by rm itself, and leaves no half removed package.
  rm -rf "$root/run/tsbridge" || true
  # No package goes that has networks: these were made since, by an installation that is not there any more.
  left=$(count_networks)
  if [ "$left" -gt 0 ]; then
    echo "tsbridge: kept /var/lib/tsbridge and /etc/tsbridge: they hold $left networks of another installation" >&2
  else
    rm -rf "$root/var/lib/tsbridge" "$root/etc/tsbridge" || true
  fi
}
