/** The command channel (`/sandbox/...`): write as a customer, see what the page answered. Not part of Facebook. */
import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { type Delivery, deliverPageEvent } from "./delivery.ts";
import { commandErrors } from "./errors.ts";
import type { FacebookSandboxConfig } from "./config.ts";
import { bearerToken, readBody } from "./request.ts";
import { type SandboxState, newMessageId } from "./state.ts";
import { sameSecret } from "./tokens.ts";

/** Who writes when nobody is named: always the same customer, so that the conversation continues. */
const DEFAULT_CUSTOMER = "24000000000000001";

const messageCommand = z.strictObject({
  text: z.string().min(1).max(2000),
  senderId: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .default(DEFAULT_CUSTOMER),
  count: z.number().int().min(1).max(1000).default(1),
});

/** The JSON value to answer with status 200. Throws CommandError. */
export async function answerCommand(
  config: FacebookSandboxConfig,
  state: SandboxState,
  req: IncomingMessage,
  path: string,
): Promise<unknown> {
  if (!isLocalHost(req.headers.host ?? "")) throw commandErrors.hostRefused();
  if (!sameSecret(bearerToken(req) ?? "", config.commandToken)) throw commandErrors.unauthorized();
  const command = `${req.method} ${path}`;
  if (command === "POST /sandbox/messages") return customerWrites(config, state, await readCommand(req));
  if (command === "GET /sandbox/replies") return state.replies;
  if (command === "GET /sandbox/state") return describeState(config, state);
  throw commandErrors.notFound();
}

async function customerWrites(
  config: FacebookSandboxConfig,
  state: SandboxState,
  command: z.infer<typeof messageCommand>,
): Promise<unknown> {
  const { text, senderId, count } = command;
  const deliveries: Delivery[] = [];
  for (let n = 0; n < count && !state.closing; n += 1) {
    const mid = newMessageId();
    const delivery = await deliverPageEvent(config, state, {
      field: "messages",
      mid,
      item: { sender: { id: senderId }, recipient: { id: config.page.id }, timestamp: Date.now(), message: { mid, text } },
    });
    if (!("missing" in delivery)) deliveries.push(delivery);
    else if (n === 0) throw commandErrors.notSubscribed(delivery.missing, "messages");
    else break;
  }
  const last = deliveries.at(-1);
  return { mid: last?.mid, senderId, pageId: config.page.id, status: last?.status, deliveries };
}

function describeState(config: FacebookSandboxConfig, state: SandboxState): unknown {
  return {
    app: { id: config.app.id, name: config.app.name },
    page: { id: config.page.id, name: config.page.name, subscribedFields: state.pageFields },
    subscriptions: [...state.subscriptions.values()].map((row) => ({
      object: row.object,
      callbackUrl: row.callbackUrl,
      active: row.active,
      includeValues: row.includeValues,
      fields: [...row.fields.keys()],
    })),
    replies: state.replies.length,
  };
}

async function readCommand(req: IncomingMessage): Promise<z.infer<typeof messageCommand>> {
  const body = await readBody(req);
  if (body === null) throw commandErrors.invalid("The body is too large.");
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw commandErrors.invalid("The body is not JSON.");
  }
  const parsed = messageCommand.safeParse(value);
  if (!parsed.success) throw commandErrors.invalid(z.prettifyError(parsed.error));
  return parsed.data;
}

/**
 * Loopback addresses, `localhost` names, and names without a dot (a compose service). A web page can point a name of its own at
 * loopback (DNS rebinding), and such a name always has a dot.
 */
function isLocalHost(host: string): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return name === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(name) || name.endsWith(".localhost") || /^[a-z0-9][a-z0-9_-]*$/.test(name);
}
