/** Which part of src/ may import which package; docs/adr/0002-libraries.md has the reasons. */

/** Package → the files or layers that may import it. A package not listed may be imported by none. */
export const packageUsers: Readonly<Record<string, readonly string[]>> = {
  execa: ['host/process/exec'],
  '@streamparser/json': ['host/docker/docker-socket'],
  ajv: ['lazy-validation'],
  fastify: ['frontends/libnetwork', 'admin'],
  '@prometheus-io/client': ['operator/metrics/library'],
  pino: ['log'],
  'ipaddr.js': ['core/address', 'operator/diags/anonymise'],
  'modern-tar': ['cli/commands/look/diags', 'cli/explain/bundle/archive'],
  'string-width': ['cli/output/fit'],
  // Types only.
  'json-schema-to-ts': ['cli/schemas/schema'],
  koffi: [
    'host/process/libc',
    'host/netlink/socket/netlink-calls',
    'host/netlink/socket/event-calls',
    'host/netlink/socket/link-names',
    'proxy/process/system',
    'probe/system',
    'unused-memory',
  ],
};
