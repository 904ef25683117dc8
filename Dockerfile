# tsbridge as a container: for hosts where nothing is to be installed. Where systemd runs, prefer
# scripts/install: a container of the engine can only be there after the engine.
#
#   docker build -t tsbridge .
#   touch /run/xtables.lock
#   docker run -d --name tsbridge --restart always --init -e TINI_SUBREAPER=1 --network host --pid host \
#     --cap-drop ALL --cap-add NET_ADMIN --cap-add NET_RAW --cap-add NET_BIND_SERVICE \
#     --security-opt no-new-privileges \
#     --security-opt systempaths=unconfined --security-opt apparmor=unconfined \
#     --ulimit nofile=1048576 --read-only --tmpfs /tmp \
#     -v /run/docker/plugins:/run/docker/plugins \
#     -v /run/docker/netns:/run/docker/netns:ro,rslave \
#     -v /var/lib/tsbridge:/var/lib/tsbridge \
#     -v /run/tsbridge:/run/tsbridge \
#     -v /run/xtables.lock:/run/xtables.lock \
#     tsbridge
#
# Why so: links, rules and sockets are those of the host (--network host). The capabilities are those
# of systemd/tsbridge.service. /proc/sys/net has to be writable, which a container's default system
# paths and AppArmor profile forbid. The lock is the one that the engine's iptables takes: without
# it, two programs change the rules at once. --init reaps children that lost their parent (with --pid
# host as TINI_SUBREAPER).
#
# What a killed engine leaves behind is removed when its process has ended (--pid host: its number has
# to mean something) and the container's network namespace is gone (/run/docker/netns, where new ones
# appear through rslave). Without the two nothing of that is removed before the next boot.
#
# Stopping this container also stops the process that holds published ports: what rules forward goes
# on, 127.0.0.1 and other ways through the userland proxy do not until it is back.

# The build needs npm, and its Node.js for nothing else: what runs comes from package-lock.json. Both bases can be
# others: BUILD_BASE with npm, BASE with glibc, libstdc++ and apt. Each digest is that of a list of all
# architectures, of October 2026; `docker buildx imagetools inspect debian:13-slim` prints the digest that the tag has today.
ARG BUILD_BASE=node:24-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6
ARG BASE=debian:13-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f

FROM ${BUILD_BASE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
COPY scripts/runtime.mjs scripts/
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/bundle.mjs scripts/inputs.mjs scripts/
COPY src src
# `npm prune` may delete the link to the runtime (scripts/runtime.mjs says why), and `prepare` puts it back. Of the runtime's
# package only the program and its licence stay: the rest is for compilers.
RUN npm run build && npm prune --omit=dev --no-audit --no-fund && npm run --silent prepare \
  && rm -rf node_modules/node-linux-*/include node_modules/node-linux-*/share

FROM ${BASE}
# iptables brings both variants, nft and legacy; tsbridge follows the one that holds Docker's chains.
# A base that has all of it needs no registry.
RUN command -v iptables && command -v ip && command -v nft \
  || { apt-get update \
  && apt-get install -y --no-install-recommends iptables iproute2 nftables libstdc++6 \
  && rm -rf /var/lib/apt/lists/*; }
WORKDIR /usr/local/lib/tsbridge
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY LICENSE ./
RUN ln -sf /usr/local/lib/tsbridge/dist/main.js /usr/local/bin/tsbridge \
  && ln -sf /usr/local/lib/tsbridge/node_modules/.bin/node /usr/local/bin/node
STOPSIGNAL SIGTERM
# Asks the daemon, which asks the kernel and the process that holds published ports. "unhealthy" is for people and
# orchestrators to see: Docker itself starts nothing again because of it.
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s CMD ["tsbridge", "health", "--quiet"]
ENTRYPOINT ["tsbridge"]
CMD ["daemon"]
