/** `POST /v1/limits` with `{"container": "web", "limits": ["rate_down=20mbit"]}`, or with a `network` alone. */
import type { LimitSetting, SetBody } from '../../operator/limit-setting.js';
import type { AdminRoutes } from '../server.js';

const name = { type: 'string', minLength: 1, maxLength: 255 } as const;

const body = {
  type: 'object',
  properties: {
    container: name,
    network: name,
    limits: { type: 'array', items: { type: 'string', maxLength: 80 }, maxItems: 16 },
  },
  required: ['limits'],
  additionalProperties: false,
} as const;

export function limitRoutes(setting: Pick<LimitSetting, 'set'>): AdminRoutes {
  return (app) => {
    app.post<{ Body: SetBody }>('/v1/limits', { schema: { body } }, async (request) => ({
      limited: await setting.set(request.body),
    }));
  };
}
