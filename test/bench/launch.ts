/**
 * What a user waits for, on this machine: from a fresh clone to ready, first start, second start, a message to where it is read, and what
 * idles in memory. `npm run bench:launch`; `-- --quick` leaves out the clone; `--json` prints `{"rows":[{"case","value","unit","goal"}]}`.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const quick = process.argv.includes("--quick");
const json = process.argv.includes("--json");
const rows: { case: string; value: number; unit: string; goal: string }[] = [];

/** Where NODE_EXTRA_CA_CERTS is set it costs every start of Node 50 ms. */
const { NODE_EXTRA_CA_CERTS: _, ...plainEnv } = process.env;

function add(name: string, value: number, unit: string, goal: string): void {
  rows.push({ case: name, value: Math.round(value * 100) / 100, unit, goal });
  if (!json) process.stdout.write(`${name.padEnd(52)} ${rows.at(-1)?.value} ${unit}  (goal ${goal})\n`);
}

async function timed(
  command: string,
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv = plainEnv,
): Promise<{ ms: number; stdout: string }> {
  const startedAt = performance.now();
  const { stdout } = await run(command, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 });
  return { ms: performance.now() - startedAt, stdout };
}

async function median(times: number, measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let i = 0; i < times; i++) values.push(await measure());
  return values.toSorted((a, b) => a - b)[Math.floor(times / 2)] ?? 0;
}

/** Resident and proportional memory of the process `pid` and all below it, MB. */
async function memory(pid: number): Promise<{ rss: number; pss: number }> {
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const below = (one: number): boolean => one === pid || (one > 1 && below(parents.get(one) ?? 0));
  const sum = { rss: 0, pss: 0 };
  for (const one of [...parents.keys()].filter(below)) {
    const text = await readFile(`/proc/${one}/smaps_rollup`, "utf8").catch(() => "");
    sum.rss += Number(/^Rss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
    sum.pss += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
  }
  return sum;
}

async function post(url: string, body: unknown): Promise<{ data: { id: string; content: { message?: { text?: string } } }[] }> {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return (await response.json()) as Awaited<ReturnType<typeof post>>;
}

/**
 * From the command that makes a customer write to the moment the message is in `messages.list`, milliseconds; without the command's own
 * start.
 */
async function untilListed(platform: string, workspace: string, text: string): Promise<number> {
  const { facebook } = JSON.parse(await readFile(path.join(workspace, ".airy/state.json"), "utf8")).ports as { facebook: number };
  const { sandbox } = JSON.parse(await readFile(path.join(workspace, ".airy/secrets.json"), "utf8")) as {
    sandbox: { commandToken: string };
  };
  const startedAt = performance.now();
  const sent = fetch(`http://127.0.0.1:${facebook}/sandbox/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${sandbox.commandToken}` },
    body: JSON.stringify({ text }),
  });
  for (;;) {
    const [conversation] = (await post(`${platform}/conversations.list`, {})).data;
    const messages = conversation ? (await post(`${platform}/messages.list`, { conversation_id: conversation.id })).data : [];
    if (messages.some(({ content }) => content.message?.text === text)) break;
  }
  const ms = performance.now() - startedAt;
  await sent;
  return ms;
}

const dir = await mkdtemp(path.join(os.tmpdir(), "airy-launch-"));
const airy = path.join(root, "airy");
try {
  if (!quick) {
    const clone = path.join(dir, "clone");
    await run("git", ["clone", "-q", root, clone]);
    const first = await timed(path.join(clone, "airy"), ["up", "--sandbox", "--yes", "--engine", "embedded"], clone, process.env);
    add("fresh clone to ready, installs included", first.ms / 1000, "s", "<= 120");
    await run(path.join(clone, "airy"), ["destroy", "--yes"], { cwd: clone });
  }
  const node = await median(15, async () => (await timed(process.execPath, ["-e", "0"], dir)).ms);
  const version = await median(15, async () => (await timed(airy, ["--version"], dir)).ms);
  add("node -e 0", node, "ms", "-");
  add("./airy --version", version, "ms", `<= 2.5x node (${(version / node).toFixed(2)}x)`);

  const workspace = path.join(dir, "workspace");
  const up = ["up", "--sandbox", "--yes", "--engine", "embedded", "--workspace", workspace];
  add("up --sandbox, first start", (await timed(airy, up, dir)).ms / 1000, "s", "<= 8");
  add("up --sandbox, again when all runs", (await median(5, async () => (await timed(airy, up, dir)).ms)) / 1000, "s", "<= 1");
  const status = await timed(airy, ["status", "--json", "--workspace", workspace], dir);
  add(
    "status --json",
    await median(5, async () => (await timed(airy, ["status", "--json", "--workspace", workspace], dir)).ms),
    "ms",
    "<= 500",
  );

  const platform = (JSON.parse(status.stdout) as { data: { platform: { url: string } } }).data.platform.url;
  await untilListed(platform, workspace, "warm");
  const waits: number[] = [];
  for (let i = 0; i < 100; i++) waits.push(await untilListed(platform, workspace, `message ${i}`));
  add("customer writes to visible in messages.list, p95", waits.toSorted((a, b) => a - b)[94] ?? 0, "ms", "<= 150");

  const { pid } = JSON.parse(await readFile(path.join(workspace, ".airy/agent.json"), "utf8")) as { pid: number };
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const { rss, pss } = await memory(pid);
  add("whole stack idle, resident (shared pages counted each time)", rss, "MB", "< 300");
  add("whole stack idle, proportional", pss, "MB", "-");
  await run(airy, ["destroy", "--yes", "--workspace", workspace], { cwd: dir });
  if (json) process.stdout.write(`${JSON.stringify({ rows })}\n`);
} finally {
  await rm(dir, { recursive: true, force: true });
}
