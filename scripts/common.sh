# Sourced by the scripts beside it: what they share. Not a command.

# Prints a progress line on stderr, so that stdout stays the result of the script.
say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }

# Ends the script with a message.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

need_root() {
  [ "$(id -u)" = 0 ] || die "must run as root: it makes network namespaces and mounts of its own"
}

# ensure_packages PACKAGE… installs the Debian packages that are missing. `docker.io` must never be
# among them: its installation starts a dockerd in the machine's own network namespace.
ensure_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
      missing+=("$package")
  done
  [ "${#missing[@]}" = 0 ] && return 0
  need_root
  say "installing ${missing[*]}"
  apt-get -q update </dev/null >&2
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
    "${missing[@]}" </dev/null >&2
}

# Where the engines' root file systems are kept between runs.
engine_cache() { printf '%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}/tsbridge/engines"; }

# The packages that the kernel and engine tests need on the machine itself.
# Chromium (90 MB, no service) is for the page of tsbridge page.
lab_packages=(debootstrap iproute2 iptables nftables conntrack util-linux rpm chromium)

# The Node.js of package-lock.json comes first, for everything that the scripts start.
export PATH="$PWD/node_modules/.bin:$PATH"

# Installs the npm tree unless the one that is there is what package-lock.json says, and builds dist/.
#
# `npm ci` refuses a lock file that lacks an optional package of another platform, and npm leaves
# out of the lock what the registry could not deliver: after a change of the dependencies, try it
# from a fresh clone.
ensure_built() {
  if ! [ -x node_modules/.bin/node ] || ! node scripts/inputs.mjs --installed; then
    command -v npm >/dev/null || die "npm is needed (of any Node.js); everything else it brings along"
    say "npm ci"
    npm ci --no-audit --no-fund </dev/null >&2
    # npm ci runs this script itself, unless the machine's npm has ignore-scripts set.
    npm run --silent prepare </dev/null >&2
  fi
  [ -x node_modules/.bin/node ] ||
    die "no Node.js for this machine ($(uname -m)) in the registry: Linux on x86_64 or aarch64 with glibc is needed"
  if [ "$(node scripts/inputs.mjs)" = "$(cat dist/inputs 2>/dev/null)" ]; then return 0; fi
  say "npm run build"
  npm run --silent build </dev/null >&2
}
