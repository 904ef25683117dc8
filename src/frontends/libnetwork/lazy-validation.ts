/**
 * Schemas become code when the first call of their method comes: all of them at once are 50 ms of
 * each start, in which nothing is served (Node.js 20).
 */
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';

interface Validator {
  (data: unknown): boolean;
  /** Of the last data; fastify makes its message of them. */
  errors: ErrorObject[] | null;
}

/** For fastify's `setValidatorCompiler`. */
export function lazyValidation(options: Options): (route: { schema: unknown }) => Validator {
  const ajv = new Ajv(options);
  return ({ schema }) => {
    let compiled: ValidateFunction | undefined;
    const validate: Validator = (data) => {
      compiled ??= ajv.compile(schema as object);
      const valid = compiled(data);
      validate.errors = compiled.errors ?? null;
      return valid;
    };
    validate.errors = null;
    return validate;
  };
}
