/** `airy trigger`: customers do something, through the stand-in for Facebook or straight at a webhook. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { placeholders } from "../../compose/facebook/fill.ts";
import { type FixtureName, fixtureTexts, fixtures } from "../../compose/facebook/fixtures.ts";
import { requireAnswer } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { facebookApp, readConfig } from "../config/config.ts";
import { readSecrets, readState } from "../config/state.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import { createHttpClient } from "../io/http.ts";
import { findAlone } from "../sources/facebook/stand-in.ts";
import { type StandIn, type Triggered, triggerEvent, triggerTemplates, triggerVia } from "../sources/facebook/trigger.ts";
import type { Options } from "./table.ts";
import { repeat, summaryOf } from "./trigger-load.ts";

type TriggerOptions = Options<"trigger">;

/** Who writes where nobody is named and nobody can be asked. */
const VIA_CUSTOMER = "24000000000000001";

/** Throws INVALID_ARGUMENT, NOT_RUNNING, NO_SANDBOX, TRIGGER_NO_SECRET, and what the triggers throw. */
export async function runTrigger(options: TriggerOptions, ctx: Context): Promise<void> {
  const { out } = ctx;
  if (options.list) return listFixtures(ctx);
  const templates = await templatesOf(options, ctx);
  const once =
    options.via === undefined ? await throughStandIn(options, templates, ctx) : await straight(options.via, options, templates, ctx);
  if (options.count === 0) fail("INVALID_ARGUMENT", { command: "trigger", reason: "--count is 1 or more: nothing was sent." });
  const count = options.what === "batch" ? 1 : (options.count ?? 1);
  if (count <= 1 && options.rate === undefined) {
    const result = await once();
    for (const field of result.unsubscribed) {
      out.warn({
        code: "FIELD_UNSUBSCRIBED",
        message: `Facebook would not have told of this: nobody is subscribed to the field ${field}.`,
      });
    }
    return out.result(result, { text: textOf(result, options) });
  }
  const summary = summaryOf(await repeat(once, { count: Math.max(1, count), rate: options.rate ?? null, signal: ctx.signal }));
  out.result(summary, { text: summary.text });
}

/** The JSON texts to send; null where it is one plain event. */
async function templatesOf(options: TriggerOptions, { io }: Context): Promise<string[] | null> {
  const { what, file, fixture, via } = options;
  const given = [what, file, fixture].filter((each) => each !== undefined);
  if (given.length !== 1)
    wrong("Say one of: what happens (message, postback, ...), --file FILE, --fixture NAME; --list shows the fixtures.");
  if (fixture !== undefined) return fixtureTexts(knownFixture(fixture));
  if (file !== undefined) {
    const text = await readFile(path.resolve(io.cwd, file), "utf8").catch((error: NodeJS.ErrnoException) =>
      wrong(`${file} cannot be read: ${error.code}.`),
    );
    return [text];
  }
  if (via === undefined) return null;
  if (what === "message") return [JSON.stringify({ message: { text: options.text ?? "Hello!" } })];
  if (what === "postback") {
    const title = options.text ?? "Get Started";
    return [
      JSON.stringify({ postback: { mid: "{{MID}}", title, payload: options.payload ?? title.toUpperCase().replaceAll(/\W+/g, "_") } }),
    ];
  }
  return fixtureTexts(knownFixture(what ?? ""));
}

function knownFixture(name: string): FixtureName {
  if (Object.hasOwn(fixtures, name)) return name as FixtureName;
  const near = Object.keys(fixtures).filter((each) => each.includes(name) || name.includes(each));
  return wrong(
    `There is no fixture "${name}"${near.length > 0 ? `; perhaps ${near.slice(0, 3).join(", ")}` : ""}. airy trigger --list shows all.`,
  );
}

async function throughStandIn(options: TriggerOptions, templates: string[] | null, ctx: Context): Promise<() => Promise<Triggered>> {
  const standIn = await findStandIn(options.workspace, ctx);
  ctx.out.hide(standIn.commandToken);
  const { from, page, text, payload, mid, emoji, picture } = options;
  if (templates) return () => triggerTemplates(standIn, { templates, from, page });
  const count = options.what === "batch" ? options.count : undefined;
  const taken = emoji === "none" ? null : emoji;
  return () =>
    triggerEvent(standIn, { kind: options.what ?? "message", from, page, text, payload, mid, emoji: taken, url: picture, count });
}

/** The workspace's own, or one that runs alone here. Throws NOT_RUNNING, AGENT_SILENT, NO_SANDBOX. */
export async function findStandIn(workspace: string | undefined, { io, signal }: Context): Promise<StandIn> {
  const http = createHttpClient();
  const paths = await openWorkspace(io, workspace);
  const running = await findAgent(paths);
  const alone = running ? null : await findAlone(io.cwd);
  if (alone) return { http, signal, ...alone };
  if (!running) return fail("NOT_RUNNING", { workspace: paths.root, sandbox: true });
  const state = await readState(paths);
  // With docker stand-in and edge are containers: they do without the agent process, and the edge then holds.
  if (state.engine === "embedded") await requireAnswer(running);
  const secrets = await readSecrets(paths);
  if (!state.sandbox || !state.ports || !secrets) return fail("NO_SANDBOX");
  return { http, signal, sandboxUrl: `http://127.0.0.1:${state.ports.facebook}`, commandToken: secrets.sandbox.commandToken };
}

/** Without the stand-in: signed with the secret of the app that is configured, or of the sandbox. */
async function straight(url: string, options: TriggerOptions, templates: string[] | null, ctx: Context): Promise<() => Promise<Triggered>> {
  const { io, out, signal } = ctx;
  if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) wrong(`--via ${url} is not an http(s) address.`);
  const paths = await openWorkspace(io, options.workspace);
  const state = await readState(paths);
  const secrets = await readSecrets(paths);
  const app = state.sandbox && secrets ? secrets.sandbox : facebookApp(await readConfig(paths.config, io.env), paths.config);
  if (!app) return fail("TRIGGER_NO_SECRET");
  out.hide(app.appSecret);
  const pageId = options.page ?? (state.sandbox && secrets ? secrets.sandbox.pageId : undefined);
  if (pageId === undefined) return wrong("--page is missing: the id of the page that is connected.");
  const http = createHttpClient();
  const customerId = options.from ?? VIA_CUSTOMER;
  return () => {
    const filling = { pageId, instagramId: pageId, appId: app.appId, customerId, at: io.now().getTime() };
    return triggerVia({ http, url, appSecret: app.appSecret, templates: templates ?? [], filling, signal }).catch((error: unknown) => {
      if (error instanceof SyntaxError) return wrong(error.message);
      throw error;
    });
  };
}

function listFixtures({ out }: Context): void {
  const names = Object.entries(fixtures).map(([name, { about }]) => ({ name, about }));
  const lines = [
    ...names.map(({ name, about }) => `  ${name.padEnd(28)}${about}`),
    "",
    "In files, these are filled in:",
    ...placeholders.map(([name, what]) => `  ${name.padEnd(28)}${what}`),
  ];
  out.result({ fixtures: names, placeholders: placeholders.map(([name, about]) => ({ name, about })) }, { text: lines.join("\n") });
}

function textOf(result: Triggered, { what, text, fixture, file, via }: TriggerOptions): string {
  const did = what === "message" || what === undefined ? null : what;
  const subject = fixture ?? file ?? (did === null ? `"${text ?? "Hello!"}"` : did);
  const who = via === undefined ? `${result.customer} (${result.customerId})` : result.customerId;
  const took = result.deliveries.at(-1)?.durationMs;
  const after = took === undefined ? "" : ` after ${took} ms`;
  if (result.held) return `${who}: ${subject}; held: the edge keeps it until this machine can take it (answered ${result.status}${after}).`;
  if (result.status === 0)
    return `${who}: ${subject}; the webhook did not answer${via === undefined ? "; the stand-in tries again later" : ""}.`;
  const again = via === undefined && result.status !== 200 ? "; the stand-in tries again later" : "";
  return `${who}: ${subject}; the webhook answered ${result.status}${after}${again}.`;
}

function wrong(reason: string): never {
  return fail("INVALID_ARGUMENT", { command: "trigger", reason });
}
