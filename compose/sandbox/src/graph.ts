/** The Graph API endpoints: who may call which, and what answers. */
import { graphErrors } from "./errors.ts";
import type { FacebookSandboxConfig } from "./config.ts";
import { answerSubscribedApps, describeCustomer, describePage, sendMessage } from "./page.ts";
import { type GraphRequest, textParam } from "./request.ts";
import type { SandboxState } from "./state.ts";
import { amendSubscription, deleteSubscription, listSubscriptions } from "./subscriptions.ts";
import { type Caller, identifyCaller, sameSecret } from "./tokens.ts";

/** The JSON value to answer with status 200. Throws GraphError. */
export async function answerGraph(
  config: FacebookSandboxConfig,
  state: SandboxState,
  request: GraphRequest,
  later: (work: Promise<unknown>) => void,
): Promise<unknown> {
  const [node = "", edge, ...rest] = request.path;
  if (node === "oauth" && edge === "access_token") return exchangeToken(config, request);

  const caller = identifyCaller(config, request.token);
  if (rest.length > 0) throw graphErrors.unknownPath(`/${rest.join("/")}`);
  if (node === "app" || node === config.app.id) return answerApp(config, state, request, caller, edge);
  if (node === "me" || node === config.page.id) return answerPage(config, state, request, caller, edge, later);
  if (request.method === "GET" && edge === undefined && caller === "page" && /^\d+$/.test(node)) return describeCustomer(node, request);
  throw graphErrors.noSuchObject(request.method, node);
}

async function answerApp(
  config: FacebookSandboxConfig,
  state: SandboxState,
  request: GraphRequest,
  caller: Caller,
  edge: string | undefined,
): Promise<unknown> {
  if (edge === undefined && request.method === "GET") {
    return {
      category: "Business",
      link: `https://www.facebook.com/games/?app_id=${config.app.id}`,
      name: config.app.name,
      id: config.app.id,
    };
  }
  if (edge !== "subscriptions") throw unknownEdge(request, config.app.id, edge);
  if (caller !== "app") throw graphErrors.appTokenNeeded();
  if (request.method === "GET") return listSubscriptions(state);
  if (request.method === "POST") return amendSubscription(config, state, request);
  if (request.method === "DELETE") return deleteSubscription(config, state, request);
  throw graphErrors.noSuchObject(request.method, config.app.id);
}

function answerPage(
  config: FacebookSandboxConfig,
  state: SandboxState,
  request: GraphRequest,
  caller: Caller,
  edge: string | undefined,
  later: (work: Promise<unknown>) => void,
): unknown {
  if (caller !== "page") throw graphErrors.pageTokenNeeded();
  if (edge === undefined && request.method === "GET") return describePage(config, request);
  if (edge === "subscribed_apps" && ["GET", "POST", "DELETE"].includes(request.method)) return answerSubscribedApps(config, state, request);
  if (edge === "messages" && request.method === "POST") return sendMessage(config, state, request, later);
  throw unknownEdge(request, config.page.id, edge);
}

/** Client credentials -> app token; a page token is exchanged for itself, because it does not expire here. */
function exchangeToken(config: FacebookSandboxConfig, request: GraphRequest): unknown {
  if (textParam(request.params, "client_id") !== config.app.id) throw graphErrors.appUnknown();
  if (!sameSecret(textParam(request.params, "client_secret") ?? "", config.app.secret)) throw graphErrors.clientSecret();
  const grant = textParam(request.params, "grant_type");
  if (grant === "client_credentials") return { access_token: `${config.app.id}|${config.app.secret}`, token_type: "bearer" };
  if (grant !== "fb_exchange_token") throw graphErrors.parameterMissing("grant_type");
  const given = textParam(request.params, "fb_exchange_token") ?? "";
  if (!sameSecret(given, config.page.token)) throw graphErrors.tokenUnreadable();
  return { access_token: config.page.token, token_type: "bearer" };
}

function unknownEdge(request: GraphRequest, node: string, edge: string | undefined): Error {
  return edge === undefined ? graphErrors.noSuchObject(request.method, node) : graphErrors.unknownPath(`/${edge}`);
}
