/** `airy sandbox`: the stand-in for Facebook alone, for programs that are not Airy. */
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { startFacebookSandbox } from "../../compose/sandbox/src/index.ts";
import { holderOf, holderText, isFree } from "../checks/ports.ts";
import { newSandboxSecrets } from "../config/state.ts";
import type { Context } from "../context.ts";
import { AiryError, fail } from "../errors.ts";
import { asCalled } from "../report/called.ts";
import { makePrivateDir, readText, writeAtomic } from "../io/files.ts";
import { createHttpClient } from "../io/http.ts";
import { startTime } from "../io/process.ts";
import { parseJson } from "../sources/facebook/answers.ts";
import redirect from "../../templates/redirect.cjs.txt";
import { ALONE_DIR, type Running, readRunning, runningFile } from "../sources/facebook/stand-in.ts";
import type { Options } from "./table.ts";

const DEFAULT_PORT = 4290;

const credentialsSchema = z.object({
  appId: z.string().min(1),
  appSecret: z.string().min(1),
  pageId: z.string().min(1),
  pageToken: z.string().min(1),
  commandToken: z.string().min(1),
});

type Credentials = z.output<typeof credentialsSchema>;

/** Runs until a signal. Throws PORT_TAKEN, SANDBOX_START. */
export async function runSandbox(options: Options<"sandbox">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const dir = path.resolve(io.cwd, options.data ?? ALONE_DIR);
  const port = options.port ?? DEFAULT_PORT;
  const credentials = await prepare(dir);
  const other = await readRunning(dir);
  if (other) fail("SANDBOX_START", { reason: `Process ${other.pid} runs a stand-in with ${dir} already, at port ${other.port}.` });
  const log = (line: string): void => out.note(`${io.now().toISOString()} ${line}`);
  const standIn = await startFacebookSandbox({
    listen: { host: "127.0.0.1", port },
    app: { id: credentials.appId, secret: credentials.appSecret, name: "Sandbox App" },
    page: { id: credentials.pageId, name: "Sandbox Page", token: credentials.pageToken },
    commandToken: credentials.commandToken,
    dataDir: dir,
    chatDir: path.join(path.dirname(io.script), "web", "chat"),
    speed: options.speed ?? 1,
    http: createHttpClient(),
    log,
  }).catch(async (error: unknown) => {
    if (await isFree(port)) throw error;
    const holder = await holderOf(port);
    return fail("PORT_TAKEN", { port, command: "sandbox", holder: holder && holderText(holder) }, { cause: error });
  });
  const running: Running = { pid: io.pid, started: await startTime(io.pid), port: standIn.port, commandToken: credentials.commandToken };
  await writeAtomic(runningFile(dir), `${JSON.stringify(running)}\n`);

  const { commandToken, ...shown } = credentials;
  const graphUrl = `http://127.0.0.1:${standIn.port}`;
  const hook = path.join(dir, "redirect.cjs");
  await writeAtomic(hook, redirect.replace("{{url}}", graphUrl));
  // Node splits at spaces, and takes quotes (nodejs.org/api/cli.html#node_optionsoptions).
  const nodeOptions = `--require=${/[\s"\\]/.test(hook) ? JSON.stringify(hook) : hook}`;
  const data = {
    nodeOptions,
    graphUrl,
    chatUrl: `${graphUrl}/chat#token=${commandToken}`,
    ...shown,
    userToken: standIn.userToken,
    data: dir,
  };
  out.item({ type: "listening", ...data });
  for (const line of describe(data)) out.line(line);
  await new Promise<void>((resolve) => {
    if (ctx.signal.aborted) resolve();
    else ctx.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await standIn.close();
  await rm(runningFile(dir), { force: true });
  out.result(data);
}

/**
 * The folder with an app and a page of its own, the same each time. One with other things in it is left alone: it would be closed to
 * others, and hidden from git.
 */
async function prepare(dir: string): Promise<Credentials> {
  const file = path.join(dir, "credentials.json");
  try {
    const text = await readText(file);
    if (text !== null) {
      const parsed = credentialsSchema.safeParse(parseJson(Buffer.from(text)));
      return parsed.success ? parsed.data : fail("SANDBOX_START", { reason: `${file} does not hold the credentials of a stand-in.` });
    }
    const found = await readdir(dir).catch((error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? [] : Promise.reject(error)));
    if (found.length > 0) fail("SANDBOX_START", { reason: `${dir} holds other things; a stand-in has a folder of its own.` });
    await makePrivateDir(dir);
    await writeAtomic(path.join(dir, ".gitignore"), "*\n", 0o644);
    const made = newSandboxSecrets();
    await writeAtomic(file, `${JSON.stringify(made, null, 2)}\n`);
    return made;
  } catch (error) {
    if (error instanceof AiryError) throw error;
    return fail("SANDBOX_START", { reason: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
}

function describe(data: Record<string, string>): string[] {
  const rows: [label: string, value: string | undefined][] = [
    ["Graph API", data["graphUrl"]],
    ["chat page", data["chatUrl"]],
    ["app id", data["appId"]],
    ["app secret", data["appSecret"]],
    ["page id", data["pageId"]],
    ["page token", data["pageToken"]],
    ["user token", data["userToken"]],
    ["data", data["data"]],
    ["for Node", `NODE_OPTIONS='${data["nodeOptions"] ?? ""}' turns graph.facebook.com to this stand-in`],
  ];
  return [
    "A stand-in for Facebook; nothing here leaves this machine.",
    ...rows.map(([label, value]) => `  ${label.padEnd(12)}${value ?? ""}`),
    asCalled('try it: airy trigger message --text "Hi"   Ctrl-C stops it   docs/sandbox.md says how clients are pointed at it'),
  ];
}
