/** The stand-in as tests start it, and a plain client for it. */
import { createHttpClient } from "../../../cli/io/http.ts";
import { type FacebookSandboxConfig, startFacebookSandbox } from "../../../compose/sandbox/src/index.ts";

export const app = { id: "1234567890123456", secret: "sandbox_app_secret", name: "Sandbox App" };
export const page = { id: "1001", name: "Sandbox Page", token: "page-token-canary" };
export const commandToken = "command-token-canary";
export const appToken = `${app.id}|${app.secret}`;

export interface Json {
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are inspected member by member in assertions
  [key: string]: any;
}

export interface StandIn {
  url: string;
  logs: string[];
  /** Calls with a JSON body and a bearer token. */
  call(method: string, path: string, token: string | null, body?: unknown): Promise<{ status: number; json: Json }>;
  /** Registers `callbackUrl` at app level and subscribes the page. */
  subscribe(callbackUrl: string, verifyToken: string, fields?: string[]): Promise<void>;
  command(method: string, path: string, body?: unknown): Promise<{ status: number; json: Json }>;
  close(): Promise<void>;
}

export async function startStandIn(overrides: Partial<FacebookSandboxConfig> = {}): Promise<StandIn> {
  const http = createHttpClient();
  const logs: string[] = [];
  const running = await startFacebookSandbox({
    listen: { host: "127.0.0.1", port: 0 },
    app,
    page,
    commandToken,
    http,
    log: (line) => logs.push(line),
    ...overrides,
  });
  const url = `http://127.0.0.1:${running.port}`;
  const call: StandIn["call"] = async (method, path, token, body) => {
    const headers: Record<string, string> = {};
    if (token !== null) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await http({ method, url: url + path, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    return { status: answer.status, json: JSON.parse(answer.body.toString("utf8")) as Json };
  };
  return {
    url,
    logs,
    call,
    command: (method, path, body) => call(method, path, commandToken, body),
    async subscribe(callbackUrl, verifyToken, fields = ["messages", "message_echoes"]) {
      const registered = await call("POST", `/v26.0/${app.id}/subscriptions`, appToken, {
        object: "page",
        callback_url: callbackUrl,
        verify_token: verifyToken,
        fields,
        include_values: true,
      });
      if (registered.status !== 200) throw new Error(JSON.stringify(registered.json));
      const subscribed = await call("POST", "/v26.0/me/subscribed_apps", page.token, { subscribed_fields: fields });
      if (subscribed.status !== 200) throw new Error(JSON.stringify(subscribed.json));
    },
    close: () => running.close(),
  };
}
