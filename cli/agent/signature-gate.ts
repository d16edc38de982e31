/**
 * Stands between the tunnel and Airy Core's gateway. Its Facebook connector of 0.49.0 checks no signatures, and those of 0.50.0 to 0.56.0
 * refuse every genuine one; so that Meta's own HMAC is checked here, on this machine, before a delivery reaches the platform, and where the
 * connector wants it, the header is computed anew by its formula: SHA-1 of body + secret (SignatureValidator of Airy Core 0.56.0).
 */
import { createHash } from "node:crypto";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { verifySignature } from "../../compose/facebook/contract.ts";

export interface SignatureGateConfig {
  /** Port of the gateway on 127.0.0.1. */
  port: number;
  /** What the gateway knows this gate by. */
  token: string;
  /** null: no app is configured, and nothing passes as Meta's. */
  appSecret: string | null;
  /** The connector's own formula. */
  resign: boolean;
  /** Public paths beside `/facebook`, whose connectors check signatures themselves. */
  others: readonly string[];
}

/** Meta batches up to 1000 changes; its largest deliveries are below 3 MB. */
const MAX_BODY = 4 * 1024 * 1024;
const MAX_COLLECTED = 64 * 1024 * 1024;
const BODY_MS = 30_000;

export interface SignatureGate {
  port: number;
  close(): Promise<void>;
}

export async function startSignatureGate(config: SignatureGateConfig): Promise<SignatureGate> {
  const agent = new http.Agent({ keepAlive: true });
  const budget = { left: MAX_COLLECTED };
  const server = http.createServer((request, response) => {
    void handle(config, agent, budget, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        agent.destroy();
      }),
  };
}

type Budget = { left: number };

async function handle(
  config: SignatureGateConfig,
  agent: http.Agent,
  budget: Budget,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const checked = !config.others.some((path) => isBelow(request.url ?? "", path)) && request.method !== "GET" && request.method !== "HEAD";
  if (config.appSecret === null && !config.others.some((path) => isBelow(request.url ?? "", path))) {
    return refuse(response, 403, "No Facebook app is configured here.");
  }
  if (!checked) return forward(config, agent, request, response, null);
  const body = await collect(request, budget);
  if (typeof body === "number")
    return refuse(response, body, body === 413 ? "The delivery is too large." : "The delivery did not come in time.");
  try {
    const { appSecret } = config;
    if (appSecret === null) return refuse(response, 403, "No Facebook app is configured here.");
    const sha256 = single(request, "x-hub-signature-256");
    const sha1 = single(request, "x-hub-signature");
    const clear = sha256 !== null && sha1 !== null;
    if (!clear || verifySignature(appSecret, body, { "x-hub-signature-256": sha256, "x-hub-signature": sha1 }) !== "valid") {
      return refuse(response, 401, "The signature of this delivery does not fit.");
    }
    await forward(config, agent, request, response, body);
  } finally {
    budget.left += body.length;
  }
}

/** In the only way of writing it; what is written otherwise is checked as Meta's is. */
function isBelow(target: string, path: string): boolean {
  const [found = ""] = target.split("?");
  return (found === path || found.startsWith(`${path}/`)) && /^[\w/.-]+$/.test(found) && !/\/\.{0,2}(\/|$)/.test(found.replace(/\/$/, ""));
}

/** undefined: not there; null: there more than once, which is none. */
function single(request: IncomingMessage, name: string): string | undefined | null {
  const values = request.headersDistinct[name] ?? [];
  return values.length > 1 ? null : values[0];
}

/** The body, or the status to refuse it with. Takes from the budget what it returns. */
async function collect(request: IncomingMessage, budget: Budget): Promise<Buffer | number> {
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => request.destroy(), BODY_MS);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BODY || size > budget.left) return 413;
      chunks.push(chunk);
    }
    budget.left -= size;
    return Buffer.concat(chunks);
  } catch {
    return 408;
  } finally {
    clearTimeout(timer);
  }
}

const HOP = new Set(["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "airy-gate"]);

/** Everything arrives as it came, Host and X-Forwarded-Proto above all: others sign the public URL. */
function forward(
  config: SignatureGateConfig,
  agent: http.Agent,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer | null,
): Promise<void> {
  const replaced = body && config.resign && config.appSecret !== null ? airySignature(config.appSecret, body) : null;
  const headers: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? "";
    const lower = name.toLowerCase();
    if (HOP.has(lower) || (body && lower === "content-length") || (replaced !== null && lower === "x-hub-signature")) continue;
    headers.push(name, request.rawHeaders[i + 1] ?? "");
  }
  headers.push("Airy-Gate", config.token);
  if (replaced !== null) headers.push("X-Hub-Signature", replaced);
  if (body) headers.push("Content-Length", String(body.length));
  else if (request.headers["transfer-encoding"] !== undefined) headers.push("Transfer-Encoding", "chunked");
  return new Promise((resolve) => {
    const { method, url } = request;
    const onward = http.request({ host: "127.0.0.1", port: config.port, agent, method, path: url, headers, setHost: false });
    onward.on("response", (answer) => {
      const back = answer.rawHeaders.filter((_, i) => !HOP.has((answer.rawHeaders[i - (i % 2)] ?? "").toLowerCase()));
      response.writeHead(answer.statusCode ?? 502, back);
      answer.pipe(response);
      answer.on("close", resolve);
    });
    onward.on("error", () => {
      if (response.headersSent) response.destroy();
      else refuse(response, 502, "The gateway of Airy Core does not answer.");
      resolve();
    });
    response.on("close", () => onward.destroy());
    if (body) onward.end(body);
    else request.pipe(onward);
  });
}

/** As Airy's connector of 0.50.0 to 0.56.0 computes it. */
export function airySignature(appSecret: string, body: Uint8Array): string {
  return `sha1=${createHash("sha1").update(body).update(appSecret).digest("hex")}`;
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" }).end(`${text}\n`);
}
