/** The Graph API's endpoints: which node, which edge, who may call it, what answers. */
import { graphErrors } from "../errors.ts";
import type { Customer, Page } from "../model.ts";
import type { GraphRequest } from "../request.ts";
import { type Caller, checkProof, identifyCaller } from "../tokens.ts";
import { effectiveVersion } from "../versions.ts";
import type { World } from "../world.ts";
import { describeAccount, listAccounts, listPermissions, pageNode } from "./accounts.ts";
import { answerBatch, answerIds } from "./batch.ts";
import { amendSubscription, debugToken, deleteSubscription, describeApp, exchangeToken, listSubscriptions } from "./app.ts";
import type { Call } from "./call.ts";
import { fieldWishes, pick } from "./fields.ts";
import { passThread, releaseThread, requestThread, secondaryReceivers, takeThread, threadOwner } from "./handover.ts";
import {
  answerLabel,
  answerLabels,
  answerPersona,
  answerPersonas,
  answerProfile,
  answerSubscribedApps,
  labelsOf,
  requirePageToken,
} from "./page.ts";
import { describeConversation, describeCustomer, describeMessage, listConversations } from "./people.ts";
import { sendMessage, uploadAttachment } from "./send.ts";
import { answerPhone, answerWhatsApp } from "./whatsapp.ts";

export interface GraphAnswer {
  value: unknown;
  /** null where the call did not get so far. */
  caller: Caller | null;
  version: string;
}

/** The JSON value to answer with status 200. Throws GraphError. */
export async function answerGraph(world: World, request: GraphRequest): Promise<GraphAnswer> {
  const { store } = world;
  const version = effectiveVersion(request.version, store.settings, store.clock.now());
  const [node = "", edge, ...rest] = request.path;
  if (node === "oauth" && edge === "access_token") return { value: exchangeToken(world, request.params), caller: null, version };
  // Meta's curls send batches to the root and to /me.
  if (request.method === "POST" && edge === undefined && (node === "" || (node === "me" && request.params["batch"] !== undefined)))
    return { value: await answerBatch(world, request, answerGraph), caller: null, version };
  if (node === "" && request.params["ids"] !== undefined)
    return { value: await answerIds(world, request, answerGraph), caller: null, version };

  const caller = identifyCaller(store, request.token);
  // messaging-api-messenger proves its page token where it asks with the app's; that this works at Meta is taken from its wide use.
  if (node !== "debug_token") checkProof(caller.app, request.token, request.params, store.clock.now());
  if (rest.length > 0) throw graphErrors.unknownPath(`/${rest.join("/")}`);
  const value = await answerNode({ world, request, caller, version }, node, edge);
  return { value, caller, version };
}

function answerNode(call: Call, node: string, edge: string | undefined): unknown {
  const { world, request, caller } = call;
  const { store } = world;
  if (node === "debug_token") return debugToken(call);
  if (node === "app" || store.apps.has(node)) return answerApp(call, node, edge);
  if (node === "me" && caller.type === "app") {
    throw edge !== undefined && Object.hasOwn(pageEdges, edge) ? graphErrors.pageTokenNeeded() : graphErrors.userTokenNeeded();
  }
  if (caller.type === "user" && (node === "me" || node === caller.accountId)) return answerAccount(call, caller.accountId, edge);
  const me = node === "me" && caller.type === "page" ? caller.page : null;
  const page = me ?? store.pages.get(node) ?? [...store.pages.values()].find(({ instagram }) => instagram?.id === node);
  if (page) return answerPage(call, page, node, edge);
  const whatsapp = store.whatsapp.get(node);
  if (whatsapp) return answerWhatsApp(call, whatsapp, edge);
  for (const account of store.whatsapp.values()) {
    const phone = account.phones.find(({ id }) => id === node);
    if (phone) return answerPhone(call, account, phone, edge);
  }
  if (caller.type !== "page") throw graphErrors.noSuchObject(request.method, node);
  return answerInsidePage(call, caller.page, node, edge);
}

function answerApp(call: Call, node: string, edge: string | undefined): unknown {
  const { request, caller } = call;
  const { app } = caller;
  // Another app's node is not there for this caller.
  if (node !== "app" && node !== app.id) throw graphErrors.noSuchObject(request.method, node);
  if (edge === undefined && request.method === "GET") return describeApp(app, request);
  if (edge === "activities" && request.method === "POST") return { success: true };
  if (edge !== "subscriptions")
    throw edge === undefined ? graphErrors.noSuchObject(request.method, app.id) : graphErrors.unknownPath(`/${edge}`);
  if (caller.type !== "app") throw graphErrors.appTokenNeeded();
  if (request.method === "GET") return listSubscriptions(call, app);
  if (request.method === "POST") return amendSubscription(call, app);
  if (request.method === "DELETE") return deleteSubscription(call, app);
  throw graphErrors.noSuchObject(request.method, app.id);
}

function answerAccount(call: Call, accountId: string, edge: string | undefined): unknown {
  const account = call.world.store.accounts.get(accountId);
  if (!account) throw graphErrors.noSuchObject(call.request.method, accountId);
  if (edge === undefined) return describeAccount(call, account);
  if (edge === "accounts") return listAccounts(call, account);
  if (edge === "permissions") return listPermissions(call);
  if (edge === "messages" || edge === "subscribed_apps" || edge === "messenger_profile") throw graphErrors.pageTokenNeeded();
  throw graphErrors.unknownPath(`/${edge}`);
}

type Handler = (call: Call, page: Page) => unknown;

/** Edges of a page, by the methods that they know. */
const pageEdges: Record<string, Partial<Record<string, Handler>>> = {
  subscribed_apps: { GET: answerSubscribedApps, POST: answerSubscribedApps, DELETE: answerSubscribedApps },
  messages: { POST: sendMessage },
  message_attachments: { POST: uploadAttachment },
  messenger_profile: { GET: answerProfile, POST: answerProfile, DELETE: answerProfile },
  personas: { GET: answerPersonas, POST: answerPersonas },
  custom_labels: { GET: answerLabels, POST: answerLabels },
  conversations: { GET: listConversations },
  pass_thread_control: { POST: passThread },
  take_thread_control: { POST: takeThread },
  request_thread_control: { POST: requestThread },
  release_thread_control: { POST: releaseThread },
  thread_owner: { GET: threadOwner },
  secondary_receivers: { GET: secondaryReceivers },
  insights: { GET: () => ({ data: [] }) },
  nlp_configs: { POST: () => ({ success: true }) },
};

function answerPage(call: Call, page: Page, node: string, edge: string | undefined): unknown {
  const { world, request, caller } = call;
  if (edge === undefined && request.method === "GET") {
    if (caller.type === "app") throw graphErrors.pageTokenNeeded();
    if (page.instagram?.id === node) {
      const profile = {
        id: node,
        username: page.instagram.username,
        name: page.instagram.name,
        profile_picture_url: `${world.publicUrl}/pictures/${node}.svg`,
      };
      return pick(profile, "IGUser", fieldWishes(request.params), ["username"]);
    }
    const owns = caller.type === "page" ? caller.page === page : world.store.accounts.get(caller.accountId)?.pages.includes(page.id);
    return pick(pageNode(world, page, owns ? caller.token : null), "Page", fieldWishes(request.params), ["name"]);
  }
  requirePageToken(caller, page, request.method);
  const handlers = edge !== undefined && Object.hasOwn(pageEdges, edge) ? pageEdges[edge] : undefined;
  const handler = handlers?.[request.method];
  if (handler) return handler(call, page);
  if (edge === undefined || handlers) throw graphErrors.noSuchObject(request.method, node);
  throw graphErrors.unknownPath(`/${edge}`);
}

/** Things that belong to the page whose token calls: customers, conversations, messages, personas, labels, attachments. */
function answerInsidePage(call: Call, page: Page, node: string, edge: string | undefined): unknown {
  const { world, request } = call;
  const { store } = world;
  const own = (customer: Customer | undefined) => (customer?.pageId === page.id ? customer : undefined);
  if (page.personas.some(({ id }) => id === node) && edge === undefined) return answerPersona(call, page, node);
  if (page.labels.some(({ id }) => id === node)) return answerLabel(call, page, node, edge);
  const thread = node.startsWith("t_") ? own(store.customers.get(node.slice(2))) : undefined;
  if (request.method !== "GET") throw graphErrors.noSuchObject(request.method, node);
  if (thread) return describeConversation(call, page, thread, edge);
  const customer = own(store.customers.get(node));
  if (customer && edge === "custom_labels") return labelsOf(call, page, customer);
  if (edge !== undefined) throw graphErrors.noSuchObject(request.method, node);
  if (customer) return describeCustomer(call, customer);
  const said = node.startsWith("m_") ? store.findMessage(node) : null;
  if (said && own(said.customer)) return describeMessage(call, page, said.customer, said.message);
  throw graphErrors.noSuchObject(request.method, node);
}
