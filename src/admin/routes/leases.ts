/**
 * Networks for `tsbridge connectivity-test`. `POST /v1/leases` begins a lease: one line of JSON, after which the answer
 * stays open; the lease ends with the connection. Below `/v1/leases/ID/`: `POST call/METHOD` with the JSON that an engine
 * sends, `GET networks/ID`, `POST renew` and `POST end`, which is answered when everything is gone.
 */
import { PassThrough } from 'node:stream';
import { background } from '../../background.js';
import { DriverError } from '../../core/errors.js';
import { parseNetworkId } from '../../core/names.js';
import type { NetworkDriver } from '../../driver/network-driver.js';
import type { Telemetry } from '../../driver/telemetry.js';
import type { TestNetworks } from '../../operator/test-networks.js';
import type { AdminRoutes } from '../server.js';

/** A method of the engine's protocol. */
export interface CallRoute {
  readonly method: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** @throws {DriverError} `bad-request` */
  prepare(body: unknown): { run(driver: NetworkDriver): Promise<object> };
}

const id = { type: 'string', maxLength: 64 } as const;
const beginBody = {
  type: 'object',
  properties: { like: id },
  additionalProperties: false,
} as const;

interface InLease {
  readonly Params: { readonly lease: string };
}

export function leaseRoutes(
  tests: TestNetworks,
  calls: readonly CallRoute[],
  telemetry: Telemetry,
): AdminRoutes {
  const { leases } = tests;
  return (app, log) => {
    app.post<{ Body: { readonly like?: string } | null }>(
      '/v1/leases',
      { schema: { body: beginBody } },
      async ({ body }, reply) => {
        await tests.ready();
        const like = body?.like;
        const model = like === undefined ? undefined : tests.model(networkId(like));
        const lease = leases.begin();
        const text =
          like === undefined ? 'begins' : `begins, with a network like ${like.slice(0, 12)}`;
        telemetry.tell({ kind: 'operator', action: 'connectivity-test', text });
        const open = new PassThrough();
        reply.raw.once('close', () => {
          open.destroy();
          const ended = lease.end('its command has gone');
          background(log, 'removing the networks of a test', ended);
        });
        open.write(
          `${JSON.stringify({ lease: lease.id, model: model ?? null, ipv6: tests.writesIpv6 })}\n`,
        );
        return reply.type('application/x-ndjson').send(open);
      },
    );
    app.post<InLease>('/v1/leases/:lease/renew', async ({ params }) => {
      leases.find(params.lease).renew();
      return {};
    });
    app.post<InLease>('/v1/leases/:lease/end', async ({ params }) => {
      const left = await leases.find(params.lease).end('its command says so');
      if (left === undefined) return {};
      const words = `the next start of the daemon removes what is left of the test: ${left}`;
      throw new DriverError('link-failed', words);
    });
    app.get<{ Params: InLease['Params'] & { readonly network: string } }>(
      '/v1/leases/:lease/networks/:network',
      async ({ params }) => tests.describe(leases.find(params.lease), networkId(params.network)),
    );
    for (const { method, schema, prepare } of calls) {
      app.post<InLease>(
        `/v1/leases/:lease/call/${method}`,
        { schema: { body: schema } },
        async ({ params, body }) => prepare(body).run(leases.find(params.lease)),
      );
    }
  };
}

function networkId(text: string): NonNullable<ReturnType<typeof parseNetworkId>> {
  const parsed = parseNetworkId(text);
  if (parsed !== undefined) return parsed;
  throw new DriverError('bad-request', `${JSON.stringify(text)} is not the id of a network`);
}
