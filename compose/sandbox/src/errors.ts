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

export const graphErrors = {
  tokenMissing: () => new GraphError(104, "An access token is required to request this resource."),
  tokenUnreadable: () => new GraphError(190, "Invalid OAuth access token - Cannot parse access token"),
  tokenSignature: () => new GraphError(190, "Invalid OAuth access token signature."),
  appUnknown: () => new GraphError(101, "Error validating application. Cannot get application info due to a system error."),
  appTokenNeeded: () => new GraphError(15, "(#15) This method must be called with an app access_token."),
  // Code and subcode are documented, the text is an assumption.
  pageTokenNeeded: () => new GraphError(190, "A page access token is required to request this resource.", { subcode: 2_069_032 }),
  clientSecret: () => new GraphError(1, "Error validating client secret."),
  noSuchObject: (method: string, id: string) =>
    new GraphError(
      100,
      `Unsupported ${method.toLowerCase()} request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation. Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api`,
      { subcode: 33, type: "GraphMethodException" },
    ),
  unknownPath: (path: string) => new GraphError(2500, `Unknown path components: ${path}`),
  parameterMissing: (name: string) => new GraphError(100, `(#100) The parameter ${name} is required.`),
  parameterWrong: (name: string, rule: string) => new GraphError(100, `(#100) Param ${name} ${rule}`),
  callbackFailed: (reason: string) => new GraphError(2200, `(#2200) Callback verification failed with the following errors: ${reason}`),
  callbackMismatch: (expected: string, received: string) =>
    new GraphError(2201, `(#2201) response does not match challenge, expected value="${expected}", received="${received}"`),
  internal: () => new GraphError(1, "An unknown error occurred", { status: 500 }),
};

/** Which of the four layers between a customer's message and the callback is not in place. */
export type MissingLayer = "app" | "app-inactive" | "app-field" | "page" | "page-field";

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
  unauthorized: () => new CommandError(401, "UNAUTHORIZED", "The command channel needs its bearer token."),
  notFound: () => new CommandError(404, "NOT_FOUND", "There is no such command."),
  invalid: (reason: string) => new CommandError(400, "INVALID", reason),
  internal: () => new CommandError(500, "INTERNAL", "The stand-in for Facebook ran into a bug of its own; its log says which."),
  notSubscribed: (layer: MissingLayer, field: string) => new CommandError(409, "NOT_SUBSCRIBED", missingLayerTexts[layer](field), layer),
};

const missingLayerTexts: Record<MissingLayer, (field: string) => string> = {
  app: () => "The app has no webhook: nothing is registered at /{app-id}/subscriptions for the object page.",
  "app-inactive": () => "The app's webhook for the object page is registered but not active.",
  "app-field": (field) => `The app's webhook for the object page is not subscribed to the field ${field}.`,
  page: () => "The page is not subscribed to the app: nothing was posted to /{page-id}/subscribed_apps.",
  "page-field": (field) => `The page is subscribed to the app, but not to the field ${field}.`,
};
