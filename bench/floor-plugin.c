/*
 * The least that a plugin of Docker can do: it makes a bridge for a network and a pair of links for an endpoint,
 * one netlink message each, and answers every other call at once. No rules, no ports, no records, no checks.
 * What an engine needs with this plugin is the floor of what it can need with any; see floor.ts.
 *
 *   cc -O2 -o floor-plugin floor-plugin.c && ./floor-plugin /run/docker/plugins/floor.sock
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
  struct nlmsghdr head;
  char rest[1000];
} message;
static int kernel;

static void *begin(int type, int flags, size_t size) {
  memset(&message, 0, sizeof message);
  message.head.nlmsg_type = type;
  message.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
  message.head.nlmsg_len = NLMSG_LENGTH(size);
  return NLMSG_DATA(&message.head);
}

static struct rtattr *add(int type, const void *value, size_t size) {
  struct rtattr *one = (void *)((char *)&message + NLMSG_ALIGN(message.head.nlmsg_len));
  one->rta_type = type;
  one->rta_len = RTA_LENGTH(size);
  if (value) memcpy(RTA_DATA(one), value, size);
  message.head.nlmsg_len = NLMSG_ALIGN(message.head.nlmsg_len) + RTA_ALIGN(one->rta_len);
  return one;
}

static void end(struct rtattr *one) {
  one->rta_len = (char *)&message + message.head.nlmsg_len - (char *)one;
}

static void text(int type, const char *value) { add(type, value, strlen(value) + 1); }

static void ask_kernel(const char *what) {
  char answer[4096];
  send(kernel, &message, message.head.nlmsg_len, 0);
  recv(kernel, answer, sizeof answer, 0);
  int error = -((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)answer))->error;
  if (error) fprintf(stderr, "%s: %s\n", what, strerror(error));
}

static void make_bridge(const char *name, const char *gateway, int prefix) {
  struct ifinfomsg *link = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link);
  link->ifi_flags = link->ifi_change = IFF_UP;
  text(IFLA_IFNAME, name);
  struct rtattr *info = add(IFLA_LINKINFO, 0, 0);
  text(IFLA_INFO_KIND, "bridge");
  end(info);
  ask_kernel("bridge");
  struct ifaddrmsg *address = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *address);
  struct in_addr ip;
  inet_pton(AF_INET, gateway, &ip);
  address->ifa_family = AF_INET;
  address->ifa_prefixlen = prefix;
  address->ifa_index = if_nametoindex(name);
  add(IFA_LOCAL, &ip, sizeof ip);
  ask_kernel("address");
}

static void make_pair(const char *bridge, const char *host, const char *inside) {
  struct ifinfomsg *link = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link);
  unsigned master = if_nametoindex(bridge);
  link->ifi_flags = link->ifi_change = IFF_UP;
  text(IFLA_IFNAME, host);
  add(IFLA_MASTER, &master, sizeof master);
  struct rtattr *info = add(IFLA_LINKINFO, 0, 0);
  text(IFLA_INFO_KIND, "veth");
  struct rtattr *data = add(IFLA_INFO_DATA, 0, 0);
  struct ifinfomsg none = {0};
  struct rtattr *peer = add(VETH_INFO_PEER, &none, sizeof none);
  text(IFLA_IFNAME, inside);
  end(peer);
  end(data);
  end(info);
  ask_kernel("pair");
}

static void delete_link(const char *name) {
  begin(RTM_DELLINK, 0, sizeof(struct ifinfomsg));
  text(IFLA_IFNAME, name);
  ask_kernel("deletion");
}

/* The JSON member's text, up to the end of the string. */
static char *member(const char *body, const char *name, char *into, size_t size) {
  char key[64];
  *into = 0;
  snprintf(key, sizeof key, "\"%s\":\"", name);
  const char *found = strstr(body, key);
  if (found) snprintf(into, size, "%.*s", (int)strcspn(found + strlen(key), "\""), found + strlen(key));
  return into;
}

static struct { char id[16], gateway[32]; } networks[256];
static int network_count;

static const char *answer(const char *path, const char *body) {
  static char text[512];
  char network[11], endpoint[11], gateway[32], bridge[16], host[16], inside[16];
  member(body, "NetworkID", network, sizeof network);
  member(body, "EndpointID", endpoint, sizeof endpoint);
  snprintf(bridge, sizeof bridge, "fb%s", network);
  snprintf(host, sizeof host, "fh%s", endpoint);
  snprintf(inside, sizeof inside, "fc%s", endpoint);
  if (strstr(path, "Plugin.Activate")) return "{\"Implements\":[\"NetworkDriver\"]}";
  if (strstr(path, "GetCapabilities")) return "{\"Scope\":\"local\",\"ConnectivityScope\":\"local\"}";
  if (strstr(path, "CreateNetwork")) {
    member(body, "Gateway", gateway, sizeof gateway);
    char *slash = strchr(gateway, '/');
    int prefix = slash ? atoi(slash + 1) : 16;
    if (slash) *slash = 0;
    int at = network_count++ % 256;
    strcpy(networks[at].id, network);
    strcpy(networks[at].gateway, gateway);
    make_bridge(bridge, gateway, prefix);
  } else if (strstr(path, "DeleteNetwork")) delete_link(bridge);
  else if (strstr(path, "CreateEndpoint")) make_pair(bridge, host, inside);
  else if (strstr(path, "DeleteEndpoint")) delete_link(host);
  else if (strstr(path, "EndpointOperInfo")) return "{\"Value\":{}}";
  else if (strstr(path, "Join")) {
    const char *found = "";
    for (int at = 0; at < 256; at++)
      if (!strcmp(networks[at].id, network)) found = networks[at].gateway;
    snprintf(text, sizeof text,
             "{\"InterfaceName\":{\"SrcName\":\"%s\",\"DstPrefix\":\"eth\"},\"Gateway\":\"%s\"}", inside, found);
    return text;
  }
  return "{}";
}

#define MOST 64
static struct { char bytes[1 << 18]; size_t length; } buffers[MOST];

/* Answers every whole request that is in the buffer. */
static void serve(int fd, int at) {
  for (;;) {
    buffers[at].bytes[buffers[at].length] = 0;
    char *start = buffers[at].bytes, *body = strstr(start, "\r\n\r\n");
    if (!body) return;
    *body = 0;
    char *header = strcasestr(start, "content-length:");
    size_t size = header ? strtoul(header + 15, 0, 10) : 0;
    *body = '\r';
    body += 4;
    if (start + buffers[at].length < body + size) return;
    char after = body[size];
    body[size] = 0;
    char path[128], out[1024];
    sscanf(start, "POST %127s", path);
    const char *json = answer(path, body);
    body[size] = after;
    int length = snprintf(out, sizeof out,
                          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          strlen(json), json);
    if (write(fd, out, length) != length) return;
    size_t used = body + size - start;
    memmove(start, start + used, buffers[at].length -= used);
  }
}

int main(int count, char **arguments) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (count < 2) return 2;
  strncpy(address.sun_path, arguments[1], sizeof address.sun_path - 1);
  unlink(arguments[1]);
  kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 64)) return 1;
  struct pollfd wait[MOST + 1] = {{listener, POLLIN, 0}};
  for (int at = 1; at <= MOST; at++) wait[at].fd = -1;
  for (;;) {
    poll(wait, MOST + 1, -1);
    if (wait[0].revents) {
      int fd = accept(listener, 0, 0), at = 1;
      while (at <= MOST && wait[at].fd >= 0) at++;
      if (at > MOST) close(fd);
      else wait[at] = (struct pollfd){fd, POLLIN, 0}, buffers[at - 1].length = 0;
    }
    for (int at = 1; at <= MOST; at++) {
      if (wait[at].fd < 0 || !wait[at].revents) continue;
      size_t *length = &buffers[at - 1].length, room = sizeof buffers[0].bytes - 1 - *length;
      ssize_t got = room ? read(wait[at].fd, buffers[at - 1].bytes + *length, room) : 0;
      if (got <= 0) close(wait[at].fd), wait[at].fd = -1;
      else *length += got, serve(wait[at].fd, at - 1);
    }
  }
}
