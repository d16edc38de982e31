/** The command channel (`/sandbox/...`): be the customer, look at everything, plant errors, move time. Not part of Facebook. */
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { type Act, act, customerFor } from "./customers.ts";
import { type CommandError, commandErrors } from "./errors.ts";
import { presets } from "./faults.ts";
import { isLocalHost } from "./local.ts";
import { raw } from "./raw.ts";
import { type Command, type Params, headerToken } from "./request.ts";
import { describeSettings, readSettingsPatch } from "./settings.ts";
import { changeSetup } from "./setup.ts";
import { sameSecret } from "./tokens.ts";
import { describeConversation, describePeople, describeState } from "./views.ts";
import type { World } from "./world.ts";

const who = z.string().min(1).max(100);
const mid = z.string().min(1).max(200);

const kinds = ["message", "postback", "reaction", "edit", "unsend", "read", "delivery", "echo", "optin", "referral"] as const;
const pictures = { image: "picture", sticker: "sticker" } as const;

const eventCommand = z.strictObject({
  kind: z.enum([...kinds, "image", "sticker", "audio", "video", "file", "location", "batch"]),
  from: who.optional(),
  page: who.optional(),
  text: z.string().min(1).max(20_000).optional(),
  title: z.string().min(1).max(200).optional(),
  payload: z.string().max(2_000).optional(),
  mid: mid.optional(),
  emoji: z.string().min(1).max(40).nullable().optional(),
  quickReply: z.string().max(2_000).optional(),
  replyTo: mid.optional(),
  /** Of an image, a sticker and the like. */
  url: z.string().max(4_000).optional(),
  appId: z
    .string()
    .regex(/^\d{1,20}$/)
    .optional(),
  ref: z.string().max(200).optional(),
  count: z.number().int().min(1).max(1_000).optional(),
  quiet: z.boolean().optional(),
});

const messageCommand = z.strictObject({
  text: z.string().min(1).max(2_000),
  senderId: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .optional(),
  count: z.number().int().min(1).max(1_000).default(1),
});

const clockCommand = z.strictObject({
  advanceMinutes: z.number().min(0).max(1_000_000).optional(),
  /** 1 is the machine's speed. */
  rate: z.number().min(0.1).max(100_000).optional(),
});

/** Who may talk to the channel: with its token, from this machine's own names, and in a browser from the chat page alone. */
export function requireOwnCaller(world: World, { headers }: Pick<FastifyRequest, "headers">): void {
  const host = headers.host ?? "";
  if (!isLocalHost(host)) throw commandErrors.hostRefused();
  if (headers.origin !== undefined && headers.origin !== `http://${host}`) throw commandErrors.originRefused();
  if (!sameSecret(headerToken(headers.authorization) ?? "", world.config.commandToken)) throw commandErrors.unauthorized();
}

/** The JSON value to answer with status 200. Throws CommandError. */
export async function answerCommand(world: World, command: Command): Promise<unknown> {
  const { store, faults } = world;
  const { body } = command;
  const conversation = /^\/sandbox\/conversations\/([\w.-]+)$/.exec(command.path)?.[1];
  if (conversation !== undefined && command.method === "GET") return describeConversation(world, conversation);
  switch (`${command.method} ${command.path}`) {
    case "POST /sandbox/messages":
      return write(world, parse(messageCommand, body));
    case "POST /sandbox/events":
      return event(world, parse(eventCommand, body));
    case "POST /sandbox/deliveries":
      return raw(world, body);
    case "POST /sandbox/files":
      return upload(world, command);
    case "GET /sandbox/replies":
      return store.replies;
    case "GET /sandbox/people":
      return describePeople(world);
    case "GET /sandbox/state":
      return describeState(world);
    case "GET /sandbox/settings":
      return describeSettings(store.settings);
    case "PATCH /sandbox/settings":
      return changeSettings(world, body);
    case "GET /sandbox/faults":
      return { faults: faults.list(), presets: Object.fromEntries(Object.entries(presets).map(([name, { about }]) => [name, about])) };
    case "POST /sandbox/faults":
      return plant(world, body);
    case "DELETE /sandbox/faults":
      faults.clear();
      return { faults: [] };
    case "GET /sandbox/clock":
      return clockOf(world);
    case "POST /sandbox/clock":
      return moveClock(world, parse(clockCommand, body));
    default:
      return changeSetup(world, command);
  }
}

/** What {@link act} understands, from one word: pictures, places and several messages at once are messages as well. */
async function event(world: World, given: z.output<typeof eventCommand>): Promise<unknown> {
  const { kind, from, page, url, ...rest } = given;
  const customer = customerFor(world, from, page);
  const plain = (kinds as readonly string[]).includes(kind);
  if (plain)
    return act(world, customer, {
      ...rest,
      ...(kind === "message" && rest.text === undefined ? { text: "Hello!" } : {}),
      kind: kind as Act["kind"],
      count: undefined,
    });
  if (kind === "batch") return act(world, customer, { ...rest, kind: "message", text: rest.text ?? "Hello!", count: rest.count ?? 3 });
  if (kind === "location") {
    const payload = { coordinates: { lat: 52.516, long: 13.378 } };
    return act(world, customer, { ...rest, kind: "message", attachments: [{ type: "location", payload }] });
  }
  const sample = `${world.publicUrl}/pictures/${kind === "sticker" ? pictures.sticker : pictures.image}.svg`;
  const sticker = kind === "sticker" ? { sticker_id: 369239263222822 } : {};
  return act(world, customer, { ...rest, kind: "message", attachments: [{ type: kind, payload: { url: url ?? sample, ...sticker } }] });
}

async function write(world: World, { text, senderId, count }: z.output<typeof messageCommand>): Promise<unknown> {
  const customer = customerFor(world, senderId);
  const deliveries: unknown[] = [];
  let last: Awaited<ReturnType<typeof act>> | null = null;
  for (let n = 0; n < count && !world.deliveries.closing; n += 1) {
    last = await act(world, customer, { kind: "message", text });
    deliveries.push(
      ...last.deliveries.map(({ status, attempts, durationMs, held }) => ({ mid: last?.mid, status, attempts, durationMs, held })),
    );
  }
  return {
    mid: last?.mid,
    senderId: customer.id,
    pageId: customer.pageId,
    status: last?.status ?? 0,
    held: last?.held ?? false,
    deliveries,
  };
}

async function upload(world: World, { upload: given }: Command): Promise<unknown> {
  if (!given) throw commandErrors.invalid("Send the file as a multipart form.");
  const file = await world.files.add(given);
  const [family = ""] = file.type.split("/");
  return {
    url: `${world.publicUrl}/files/${file.id}/${file.name}`,
    type: ["image", "audio", "video"].includes(family) ? family : "file",
    name: file.name,
  };
}

function changeSettings(world: World, body: Params): unknown {
  const read = readSettingsPatch(body);
  if ("reason" in read) throw commandErrors.invalid(read.reason);
  Object.assign(world.store.settings, read.patch);
  world.store.changed();
  return describeSettings(world.store.settings);
}

function plant(world: World, body: Params): unknown {
  try {
    return world.faults.plant(body);
  } catch (error) {
    throw commandErrors.invalid(error instanceof Error ? error.message : "unknown");
  }
}

function moveClock(world: World, { advanceMinutes, rate }: z.output<typeof clockCommand>): unknown {
  const { clock } = world.store;
  if (rate !== undefined) clock.setRate(rate);
  if (advanceMinutes !== undefined) clock.advance(advanceMinutes * 60_000);
  world.store.changed();
  return clockOf(world);
}

function clockOf({ store: { clock } }: World): unknown {
  return { now: new Date(clock.now()).toISOString(), aheadMinutes: Math.round(clock.ahead / 6_000) / 10, rate: clock.rate };
}

/** Throws CommandError with what does not fit. */
function parse<T extends z.ZodType>(schema: T, body: Params): z.output<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw commandErrors.invalid(z.prettifyError(parsed.error)) as CommandError;
}
