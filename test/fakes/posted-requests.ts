/** Requests posted to Docker's front end, without a socket. */
import { createServer, type ServerSettings } from '../../src/frontends/libnetwork/server.js';
import { endpointId, networkId } from './inputs.js';
import { type DriverCall, RecordingDriver } from './recording-driver.js';
import { RecordingLog } from './recording-log.js';

export const ids = { NetworkID: networkId, EndpointID: endpointId };
export const vendorType = 'application/vnd.docker.plugins.v1.2+json; charset=utf-8';

/** Docker's front end before a driver that only records its calls; `post` is one request of an engine. */
export function setUp(
  behave?: (call: DriverCall) => unknown,
  settings: Partial<ServerSettings> = {},
) {
  const driver = new RecordingDriver(behave);
  const log = new RecordingLog();
  const { app } = createServer({ driver, log, deadlineMs: 60_000, ...settings });
  const post = async (method: string, body?: unknown, headers: Record<string, string> = {}) => {
    const payload =
      typeof body === 'string' || body === undefined ? body : `${JSON.stringify(body)}\n`;
    const response = await app.inject({
      method: 'POST',
      url: `/${method}`,
      headers,
      ...(payload === undefined ? {} : { payload }),
    });
    return {
      status: response.statusCode,
      type: response.headers['content-type'],
      json: response.json(),
    };
  };
  return { driver, log, app, post };
}
