/**
 * What can be set, each with whether Meta documents it. What is an assumption is a setting for that reason: who knows better, or wants
 * to see a program fail, changes it (`PATCH /sandbox/settings`).
 */
import { z } from "zod";

type Basis = "documented" | "assumption" | "tool";

interface Meta {
  basis: Basis;
  what: string;
}

function setting<T extends z.ZodType>(schema: T, value: z.output<T>, basis: Basis, what: string) {
  return { schema, value, basis, what };
}

const ms = z.number().int().min(0).max(86_400_000);
const minutes = z.number().min(0).max(100_000);

/** The catalogue: name, what it accepts, what it is unless told otherwise, and on what that rests. */
const catalogue = {
  // Registration
  allowHttp: setting(z.boolean(), true, "assumption", "take http:// callbacks; Meta's guides demand https, its exact refusal is not known"),
  handshakeTimeoutMs: setting(ms, 5_000, "assumption", "how long a callback may take to answer the handshake"),
  followRedirects: setting(z.boolean(), false, "assumption", "follow one redirect in the handshake"),
  maxCallbackUrl: setting(z.number().int().min(10).max(10_000), 2_048, "assumption", "longest callback URL of an app, characters"),
  callbackOptional: setting(z.boolean(), false, "assumption", "take a POST without callback_url for a row that has one"),
  fieldsAmend: setting(z.boolean(), true, "documented", "a POST adds fields; false: it replaces them"),
  pageFieldsReplace: setting(z.boolean(), true, "assumption", "a POST to subscribed_apps replaces the page's list of fields"),
  instagramByApi: setting(
    z.enum(["works", "refused", "silent"]),
    "works",
    "assumption",
    "object=instagram by API: works, refused with code 100, or success without effect; reports disagree",
  ),
  propagationMs: setting(ms, 0, "assumption", "silence after a registration, before the new callback gets anything"),
  unknownAppCode: setting(z.union([z.literal(101), z.literal(190)]), 101, "assumption", "error code for an app id that does not exist"),
  permissionStatus: setting(z.number().int().min(400).max(499), 403, "assumption", "HTTP status of permission errors (200-299)"),
  // Graph API
  defaultVersion: setting(
    z.string().regex(/^v\d+\.\d+$/),
    "v26.0",
    "assumption",
    "version of a path that names none (at Meta: of the app)",
  ),
  refuseUnknownVersions: setting(z.boolean(), true, "assumption", "answer 2500 to a version that never existed"),
  callsPerHour: setting(
    z.number().int().min(1).nullable(),
    null,
    "tool",
    "calls an app may make in an hour before error 4; null: no limit",
  ),
  // Send API
  enforceWindow: setting(z.boolean(), true, "documented", "refuse messages outside the 24 hours, as far as no tag allows them"),
  textLimit: setting(z.number().int().min(1).max(100_000), 2_000, "documented", "longest text, characters; Instagram: 1000 bytes"),
  deliveryReceipts: setting(z.boolean(), true, "documented", "tell the page that a message reached the customer"),
  // Deliveries
  answerTimeoutMs: setting(ms, 5_000, "documented", "how long a webhook may take to answer 200"),
  immediateAttempts: setting(z.number().int().min(1).max(10), 3, "assumption", 'attempts at once; documented is "a few more times"'),
  retryMinutes: setting(
    z.array(minutes.min(0.01)).min(1).max(50),
    [1, 2, 5, 7, 15, 30, 60, 120, 240, 480, 720],
    "assumption",
    "pauses between later attempts; documented is that they thin out",
  ),
  alertAfterMinutes: setting(minutes, 15, "documented", "failing so long, the developer is told"),
  disableAfterMinutes: setting(minutes, 60, "documented", "failing so long, the app is unsubscribed from the page"),
  dropAfterHours: setting(z.number().min(0.01).max(1_000), 36, "documented", "how old an undelivered event gets"),
  disablingDrops: setting(z.boolean(), true, "assumption", "what waits is dropped when the app is unsubscribed"),
  batchMs: setting(ms.max(10_000), 0, "tool", "collect events for so long and send them in one delivery"),
  duplicates: setting(z.number().int().min(0).max(10), 0, "tool", "send every delivery so many times more"),
  shuffle: setting(z.boolean(), false, "tool", "put the events of one delivery out of order"),
} as const;

type SettingName = keyof typeof catalogue;
export type Settings = { -readonly [N in SettingName]: z.output<(typeof catalogue)[N]["schema"]> };
export type SettingsPatch = Partial<Settings>;

const patchSchema = z.strictObject(
  Object.fromEntries(Object.entries(catalogue).map(([name, { schema }]) => [name, (schema as z.ZodType).optional()])),
);

export function defaultSettings(): Settings {
  return Object.fromEntries(Object.entries(catalogue).map(([name, { value }]) => [name, structuredClone(value)])) as Settings;
}

/** What a stranger sent, checked; or why it cannot be. */
export function readSettingsPatch(value: unknown): { patch: SettingsPatch } | { reason: string } {
  const parsed = patchSchema.safeParse(value);
  return parsed.success ? { patch: parsed.data as SettingsPatch } : { reason: z.prettifyError(parsed.error) };
}

/** Every setting with its value and on what it rests. */
export function describeSettings(settings: Settings): Record<string, Meta & { value: unknown; changed: boolean }> {
  return Object.fromEntries(
    Object.entries(catalogue).map(([name, { value, basis, what }]) => {
      const now = settings[name as SettingName];
      return [name, { value: now, changed: JSON.stringify(now) !== JSON.stringify(value), basis, what }];
    }),
  );
}
