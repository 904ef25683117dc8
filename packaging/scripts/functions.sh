# The functions of the scripts of the Debian package and of the RPM: each script has all of them before its own lines.
# scripts/install reads this file, too. $root is the folder in which the host's files are. It is empty, which means /, unless
# dpkg has --force-script-chrootless or scripts/install has --destdir.

# Whether there is another installation (by scripts/install or npm): a unit in /etc that starts a program which is not
# this package's. systemd prefers it to the packaged unit, so service, records, settings and sockets are that installation's.
beside_other() {
  [ -f "$root/etc/systemd/system/tsbridge.service" ] &&
    grep -q '^ExecStart=/' "$root/etc/systemd/system/tsbridge.service" &&
    ! grep -q '^ExecStart=/usr/lib/tsbridge/' "$root/etc/systemd/system/tsbridge.service"
}

# Whether systemd can be told something. Where it does not run (a container, a root that is being built), the next boot
# does the same.
systemd_runs() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

# Prints the paths that files give to a variable, a flag or a key of JSON, one on a line. Where a path ends depends on the
# kind of file, so each line that names one is read in three ways: to the next quotation mark, to the next blank, and to its
# end without quotation marks. The caller leaves out the paths that do not exist.
#
#   paths_in VARIABLE FLAG FILE…
paths_in() {
  names="$1[[:space:]]*=\\|--$2[=[:space:]]\\|\"$2\"[[:space:]]*:"
  shift 2
  sed -n -e '/^[[:space:]]*[#;]/d' -e "s/.*\\($names\\)[[:space:]]*//;t path" -e d -e ':path' \
    -e "s/^[\"']//;h;s/[\"'].*//p;g;s/[[:space:],}].*//p;g;s/[\"'\\\\]//g;s/[[:space:]]*\$//p" "$@" 2>/dev/null || true
  # If the last line of a file has no newline, sed prints none after it.
  echo
}

# Prints the paths that the service's variables, its unit in /etc and the drop-ins of the unit give to a variable or a flag.
#
#   service_paths VARIABLE FLAG
service_paths() {
  paths_in "$1" "$2" "$root/etc/default/tsbridge" "$root/etc/systemd/system/tsbridge.service" \
    "$root"/etc/systemd/system/tsbridge.service.d/*.conf
}

# Prints the folders that may hold records of networks, one on a line: those called "networks" in the usual folder of the
# state, in each folder directly below it, and in each folder that a setting names in its place. Nothing deeper is searched,
# since a setting may name any folder, such as one with a whole disk below it.
record_folders() {
  {
    (cd "$root/var/lib/tsbridge" 2>/dev/null && find . -maxdepth 1 -type d) | sed 's|^\.|/var/lib/tsbridge|' || true
    service_paths TSBRIDGE_STATE_DIR state-dir
    { echo /etc/tsbridge/config.json; service_paths TSBRIDGE_CONFIG config; } | while IFS= read -r file; do
      [ ! -f "$root$file" ] || paths_in TSBRIDGE_STATE_DIR state-dir "$root$file"
    done
  } | while IFS= read -r folder; do
    # With links resolved, a folder that is named in two ways is printed once.
    case $folder in /*) (cd "$root$folder/networks" 2>/dev/null && pwd -P) || true ;; esac
  done | sort -u
}

# Prints the paths of the records of networks, one on a line.
network_records() {
  record_folders | while IFS= read -r folder; do
    find "$folder" -maxdepth 1 -type f -name '*.json' || true
  done
}
count_networks() { network_records | wc -l; }

# Prints in one line the folders that have records of networks.
used_folders() { network_records | sed 's|/[^/]*$||' | sort -u | paste -sd ' '; }

# Prints the paths of the records of networks that are being removed, one on a line.
removing_records() {
  record_folders | while IFS= read -r folder; do
    grep -rls --include='*.json' '"phase":"removing"' "$folder" || true
  done
}

# Waits for networks that are being removed, 50 times 0.2 s at most: the record of a network goes with its bridge, a moment
# after `docker network rm` has returned.
await_removals() {
  tries=50
  while [ "$tries" -gt 0 ] && [ -n "$(removing_records)" ]; do
    sleep 0.2
    tries=$((tries - 1))
  done
}

# Prints a number of networks in words.
networks() { if [ "$1" = 1 ]; then echo "1 network"; else echo "$1 networks"; fi; }

# Ends an installation, before anything is unpacked, if there is another one, whose unit systemd would go on using.
refuse_beside_other() {
  beside_other || return 0
  echo "tsbridge: the unit in /etc/systemd/system is of an installation from a clone or by npm. Remove that one first:" >&2
  echo "  scripts/install --uninstall --force    (with its --prefix, if it was given one; by npm: see docs/install.md)" >&2
  echo "Networks and records stay as they are, and this package takes them over." >&2
  exit 1
}

# Ends a removal while there are networks of this driver, since their containers could not start without it.
refuse_with_networks() {
  await_removals
  left=$(count_networks)
  [ "$left" -gt 0 ] || return 0
  echo "tsbridge: not removed, since $(networks "$left") of this driver would be left, recorded in $(used_folders)." >&2
  echo "Remove the networks first:" >&2
  echo "  docker network ls --filter driver=tsbridge    then    docker network rm NAME" >&2
  echo "or, if the engine is gone for good, delete the records." >&2
  exit 1
}

# Stops what is to be removed. Beside another installation there is nothing to stop: networks and service are that one's.
before_removal() {
  if beside_other; then return 0; fi
  refuse_with_networks
  systemd_runs || return 0
  systemctl disable --now tsbridge.service tsbridge.socket || true
  # The process that holds published ports outlives the daemon on purpose.
  systemctl kill tsbridge.service 2>/dev/null || true
  systemctl stop 'tsbridge-proxy@*.service' || true
}

# Starts the daemon of the new version if the service runs or has failed: this version may be able to read what the older
# one could not, such as settings. If the daemon does not start, the package is installed all the same, since dpkg and rpm
# would otherwise leave it half installed.
restart_updated() {
  systemd_runs || return 0
  systemctl daemon-reload || true
  # The service is that of the other installation, of which nothing has changed.
  if beside_other; then return 0; fi
  if systemctl is-active --quiet tsbridge.service || systemctl is-failed --quiet tsbridge.service; then
    systemctl restart tsbridge.service ||
      echo "tsbridge: the daemon of this version does not start; networks and ports stay: journalctl -u tsbridge" >&2
  fi
}

reload_units() { if systemd_runs; then systemctl daemon-reload || true; fi; }

# Removes what the package has left on the host, unless it is another installation's.
purge() {
  if beside_other; then
    echo "tsbridge: kept /var/lib/tsbridge, /etc/tsbridge and /run/tsbridge: they are those of another installation" >&2
    return 0
  fi
  # rm says what it cannot delete, such as the place of a mount; that is no reason to leave the package half removed.
  rm -rf "$root/run/tsbridge" || true
  # The removal of the package was refused while there were networks. So an installation that came after it made these.
  left=$(count_networks)
  if [ "$left" -gt 0 ]; then
    echo "tsbridge: kept /var/lib/tsbridge and /etc/tsbridge for $(networks "$left") of another installation" >&2
  else
    rm -rf "$root/var/lib/tsbridge" "$root/etc/tsbridge" || true
  fi
}
