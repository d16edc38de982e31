/**
 * What the stand-in says when it refuses: the Graph API's errors with Meta's codes and texts, and the command channel's own.
 * Codes and texts: Meta's Graph API "error handling" guide and reports from the field; where only the code is documented the text is
 * ours and marked as an assumption.
 */

/** A Graph API error; `code` and `subcode` are Meta's. */
export class GraphError extends Error {
  override readonly name = "GraphError";
  readonly status: number;
  readonly code: number;
  readonly subcode: number | null;
  readonly type: string;

  constructor(code: number, message: string, options: { status?: number; subcode?: number; type?: string } = {}) {
    super(message);
    this.code = code;
    this.status = options.status ?? 400;
    this.subcode = options.subcode ?? null;
    this.type = options.type ?? "OAuthException";
  }
}

/** Instagram's own token endpoint refuses in another shape. */
export class InstagramError extends Error {
  override readonly name = "InstagramError";
}

export const graphErrors = {
  tokenMissing: () => new GraphError(104, "An access token is required to request this resource."),
  tokenUnreadable: () => new GraphError(190, "Invalid OAuth access token - Cannot parse access token"),
  tokenSignature: () => new GraphError(190, "Invalid OAuth access token signature."),
  /** 463 expired, 460 password changed, 458 app removed, 467 invalid. */
  tokenDead: (subcode: number, why: string) => new GraphError(190, `Error validating access token: ${why}`, { subcode, status: 401 }),
  appUnknown: (code: 101 | 190 = 101) =>
    new GraphError(code, "Error validating application. Cannot get application info due to a system error."),
  appTokenNeeded: () => new GraphError(15, "(#15) This method must be called with an app access_token."),
  // Code and subcode are documented, the text is an assumption.
  pageTokenNeeded: () => new GraphError(190, "A page access token is required to request this resource.", { subcode: 2_069_032 }),
  userTokenNeeded: () => new GraphError(2500, "An active access token must be used to query information about the current user."),
  clientSecret: () => new GraphError(1, "Error validating client secret."),
  proofWrong: () => graphMethod(100, "Invalid appsecret_proof provided in the API argument"),
  proofMissing: () => graphMethod(100, "API calls from the server require an appsecret_proof argument"),
  noSuchObject: (method: string, id: string) =>
    new GraphError(
      100,
      `Unsupported ${method.toLowerCase()} request. Object with ID '${id}' does not exist, cannot be loaded due to ` +
        "missing permissions, or does not support this operation. Please read the Graph API documentation at " +
        "https://developers.facebook.com/docs/graph-api",
      { subcode: 33, type: "GraphMethodException" },
    ),
  unknownPath: (path: string) => new GraphError(2500, `Unknown path components: ${path}`),
  unknownField: (name: string, type: string) =>
    new GraphError(100, `(#100) Tried accessing nonexisting field (${name}) on node type (${type})`),
  parameterMissing: (name: string) => new GraphError(100, `(#100) The parameter ${name} is required.`),
  parameterWrong: (name: string, rule: string) => new GraphError(100, `(#100) Param ${name} ${rule}`),
  /** Facebook answers an empty list with its unknown error (jgorset/facebook-messenger#244). */
  unknown: () => new GraphError(1, "An unknown error occurred", { status: 500 }),
  permission: (status: number, message: string) => new GraphError(200, `(#200) ${message}`, { status }),
  callbackFailed: (reason: string) => new GraphError(2200, `(#2200) Callback verification failed with the following errors: ${reason}`),
  callbackMismatch: (expected: string, received: string) =>
    new GraphError(2201, `(#2201) response does not match challenge, expected value="${expected}", received="${received}"`),
  appLimit: () => new GraphError(4, "(#4) Application request limit reached", { status: 403 }),
  internal: () => new GraphError(1, "An unknown error occurred", { status: 500 }),
};

/** Refusals of the Send API. Codes: Messenger Platform, error codes (25 Jun 2026); texts from reports, else ours. */
export const sendErrors = {
  nobody: (instagram: boolean) => new GraphError(100, "(#100) No matching user found", { subcode: instagram ? 2_534_014 : 2_018_001 }),
  unavailable: () => new GraphError(551, "(#551) This person isn't available right now.", { subcode: 1_545_041 }),
  blocked: () => new GraphError(10, "(#10) This person isn't receiving messages from you right now.", { subcode: 2_018_108 }),
  outsideWindow: (instagram: boolean) =>
    new GraphError(
      10,
      "(#10) This message is sent outside of allowed window. Learn more about the new policy here: " +
        "https://developers.facebook.com/docs/messenger-platform/policy-overview",
      { subcode: instagram ? 2_534_022 : 2_018_278, status: 403 },
    ),
  noRole: (status: number) =>
    new GraphError(
      200,
      "(#200) Cannot message users who are not admins, developers or testers of the app until " +
        "pages_messaging permission is reviewed and the app is live.",
      { subcode: 2_018_028, status },
    ),
  otherOwner: (instagram: boolean) =>
    instagram
      ? new GraphError(100, "(#100) The thread owner has archived or does not control this conversation", { subcode: 2_534_037 })
      : new GraphError(10, "(#10) Message failed to send because another app is controlling this thread now.", { subcode: 2_018_300 }),
  tooLong: (most: number) => new GraphError(100, `(#100) Length of param message[text] must be less than or equal to ${most}`),
  empty: () => new GraphError(100, "(#100) Message cannot be empty, must provide valid attachment or text"),
  noAttachment: () => new GraphError(100, "(#100) Attachment ID is invalid", { subcode: 2_018_074 }),
};

function graphMethod(code: number, message: string): GraphError {
  return new GraphError(code, message, { type: "GraphMethodException" });
}

/** Which layer between a customer's message and the callback is not in place. */
export type MissingLayer = "app" | "app-inactive" | "app-field" | "page" | "page-field" | "role" | "unpublished" | "propagation";

/** A refusal of the command channel. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly status: number;
  readonly code: string;
  readonly layer: MissingLayer | null;

  constructor(status: number, code: string, message: string, layer: MissingLayer | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.layer = layer;
  }
}

export const commandErrors = {
  hostRefused: () => new CommandError(421, "HOST_REFUSED", "The command channel answers to loopback and service names only."),
  originRefused: () => new CommandError(403, "ORIGIN_REFUSED", "The command channel is not for pages of another origin."),
  unauthorized: () => new CommandError(401, "UNAUTHORIZED", "The command channel needs its bearer token."),
  notFound: () => new CommandError(404, "NOT_FOUND", "There is no such command."),
  invalid: (reason: string) => new CommandError(400, "INVALID", reason),
  internal: () => new CommandError(500, "INTERNAL", "The stand-in for Facebook ran into a bug of its own; its log says which."),
  notSubscribed: (layer: MissingLayer, object: string, field: string) =>
    new CommandError(409, "NOT_SUBSCRIBED", missingLayerTexts[layer](object, field), layer),
};

const missingLayerTexts: Record<MissingLayer, (object: string, field: string) => string> = {
  app: (object) => `The app has no webhook: nothing is registered at /{app-id}/subscriptions for the object ${object}.`,
  "app-inactive": (object) => `The app's webhook for the object ${object} is registered but not active.`,
  "app-field": (object, field) => `The app's webhook for the object ${object} is not subscribed to the field ${field}.`,
  page: () => "The page is not subscribed to the app: nothing was posted to /{page-id}/subscribed_apps.",
  "page-field": (_, field) => `The page is subscribed to the app, but not to the field ${field}.`,
  role: () => "The app is in development mode, and this customer has no role on it: Facebook tells it nothing about them.",
  unpublished: () => "The app is in development mode: Instagram sends no webhooks to apps that are not published.",
  propagation: () => "The webhook was registered a moment ago, and the time that this takes to spread (propagationMs) is not over.",
};
