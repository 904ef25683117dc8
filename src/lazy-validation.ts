/**
 * Compiles the schema of a method or route when its first request comes: compiling all of them takes 50 ms
 * (Node.js 20), in which a start could serve no call.
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
