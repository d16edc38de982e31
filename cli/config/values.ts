/**
 * What a key of airy.yaml may hold. Each says about itself what an editor, `airy config explain` and docs/config.md show; all of them are
 * texts when they are read (failsafe schema), and what is written without a value counts as not written.
 */
import { z } from "zod";

export interface About {
  description: string;
  /** What holds when it is left out. */
  default?: string;
  /** The variable that wins over the file. */
  variable?: string;
  /** Kept in the keyring where there is one, and never shown in full. */
  secret?: boolean;
}

/** Of the JSON Schema: `type` is what YAML makes of it for an editor. */
function about(type: string | string[], { description, default: left, variable, secret }: About): Record<string, unknown> {
  return {
    type,
    description,
    ...(left !== undefined && { default: type.includes("boolean") ? left === "true" : /^\d+$/.test(left) ? Number(left) : left }),
    ...(variable && { "x-variable": variable }),
    ...(secret && { "x-secret": true }),
  };
}

const left = (value: unknown): unknown => (value === "" ? undefined : value);

export function textKey(said: About) {
  return z
    .string()
    .transform((value) => (value.trim() === "" ? undefined : value.trim()))
    .optional()
    .meta(about(["string", "number", "null"], said));
}

export function flagKey(said: About) {
  return z
    .preprocess(
      left,
      z
        .enum(["true", "false"])
        .transform((value) => value === "true")
        .optional(),
    )
    .meta(about(["boolean", "null"], said));
}

export function numberKey(said: About, from: number, to: number) {
  const message = `must be a whole number from ${from} to ${to}`;
  return z
    .preprocess(
      left,
      z
        .string()
        .regex(/^\d{1,9}$/, message)
        .transform(Number)
        .refine((value) => value >= from && value <= to, message)
        .optional(),
    )
    .meta({ ...about(["integer", "null"], said), minimum: from, maximum: to });
}

export function choiceKey<const T extends readonly string[]>(choices: T, said: About) {
  const { type: _, ...rest } = about("string", said);
  return z.preprocess(left, z.enum(choices).optional()).meta({ ...rest, enum: [...choices, null] });
}

/** Keys below a key. Written without children (`components:` with everything below commented out) counts as not written. */
export function section<T extends z.ZodRawShape>(keys: T, description: string) {
  return z.preprocess(left, z.strictObject(keys).optional()).meta({ description });
}
