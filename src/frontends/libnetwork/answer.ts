/**
 * What goes back to the engine: always a JSON object, for an empty body is an error to it.
 *
 * Which status an error has decides what the user reads before it (docs/docker-bridge.md 7.3):
 * - 200 `remote: MESSAGE`: the call was understood and could not be done. The message says what
 *   was being done, so the method's name would only be in its way.
 * - 400 `NetworkDriver.METHOD: MESSAGE`: the request was not understood. No person typed it, so the
 *   method is what tells a reader where to look.
 * - 500, likewise: a defect of ours.
 * - 404 only for methods that do not exist: the engine reads it as "not supported", and goes on
 *   without ports if it ever came for ProgramExternalConnectivity.
 */
import type { FastifyReply } from 'fastify';
import { DriverError, type ErrorCode, messageOf } from '../../core/errors.js';
import { protocolNumber } from '../../core/ports/port.js';
import type { EndpointInfo } from '../../driver/network-driver.js';

/** fastify would add the character set itself. */
const mediaType = 'application/vnd.docker.plugins.v1.2+json; charset=utf-8';

export function sendAnswer(reply: FastifyReply, answer: object): FastifyReply {
  return reply.type(mediaType).send(JSON.stringify(answer));
}

export function sendError(reply: FastifyReply, error: DriverError): FastifyReply {
  return sendAnswer(reply.status(statusOf(error.code)), { Err: error.message });
}

/** The `Value` of EndpointOperInfo: `com.docker.network.*` keys and their values in Docker's JSON. */
export function endpointValue(info: EndpointInfo): Readonly<Record<string, unknown>> {
  return {
    'com.docker.network.endpoint.macaddress': info.mac,
    'com.docker.network.endpoint.exposedports': info.exposed.map(({ protocol, port }) => ({
      Proto: protocolNumber[protocol],
      Port: port,
    })),
    'com.docker.network.portmap': [...info.bindings, ...info.opened].map((port) => ({
      Proto: protocolNumber[port.protocol],
      IP: port.containerIp,
      Port: port.containerPort,
      // Docker's way to say that there is none.
      HostIP: 'hostIp' in port ? port.hostIp : '',
      HostPort: 'hostPort' in port ? port.hostPort : 0,
      HostPortEnd: 'hostPort' in port ? port.hostPort : 0,
    })),
    'tsbridge.veth': info.link,
  };
}

function statusOf(code: ErrorCode): number {
  switch (code) {
    case 'bad-request':
    case 'body-missing':
      return 400;
    case 'method-unknown':
      return 404;
    case 'internal':
      return 500;
    default:
      return 200;
  }
}

/**
 * Turns anything that was thrown into an error of the catalogue: fastify's own errors are about the request
 * (`bad-request`), any other one is a defect of the daemon.
 */
export function asDriverError(error: unknown, method: string): DriverError {
  if (error instanceof DriverError && error.message !== '') return error;
  const message = messageOf(error) || 'no reason given';
  if (isComplaint(error)) {
    return new DriverError('bad-request', `the request is not understood: ${message}`);
  }
  return new DriverError(
    'internal',
    `${method} failed in a way that tsbridge does not know: ${message}; its log has the details`,
    { cause: error },
  );
}

/** Errors of fastify and its validator: status 4xx. */
function isComplaint(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return false;
  const status = Number(error.statusCode);
  return status >= 400 && status < 500;
}

/** For a request that is not even HTTP: the whole response, after which the connection ends. */
export function rawBadRequest(reason: string): string {
  const body = JSON.stringify({ Err: `the request is not HTTP/1.1: ${reason}` });
  return [
    'HTTP/1.1 400 Bad Request',
    `Content-Type: ${mediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
