/** One schema for flags, environment and file; `airy edge --check`, SIGHUP and `airy edge names` against the bundle. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { commands } from "../../cli/commands/table.ts";
import type { Envelope } from "../../cli/report/output.ts";
import { configOf, readSettings, SETTING_NAMES } from "../../edge/settings.ts";
import { run, type RunningCommand } from "../support/edge-process.ts";
import { newKey, until } from "../support/edge.ts";
import { login } from "../support/ssh.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "airy-settings-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const file = (name: string, text: string) => {
  const at = path.join(dir, name);
  mkdirSync(path.dirname(at), { recursive: true });
  writeFileSync(at, text);
  return at;
};
const read = (...layers: Record<string, unknown>[]) => readSettings(layers.map((values, i) => ({ values, folder: `/layer${i}` })));
const refusal = (values: Record<string, unknown>) => {
  try {
    read(values);
  } catch (error) {
    return (error as Error).message;
  }
  return "taken";
};

describe("the schema", () => {
  it("has a flag for each setting, and a setting for each flag that is not an order", () => {
    const orders = ["config", "check", "check-data", "json", "key"];
    const flags = commands.edge.options.map(({ name }) => ({ limit: "limits", host: "hosts" })[name as string] ?? name);
    expect(flags.filter((name) => !orders.includes(name)).toSorted()).toEqual(SETTING_NAMES.toSorted());
  });

  it("lets the earlier place win, one limit at a time, and finds files where they were named", () => {
    const settings = read(
      { domain: "a.test", ssh: undefined, limits: { "requests-in-flight": 5 } },
      { domain: "b.test", ssh: 22, http: ":80", data: "d", "denied-keys": "keys" },
    );
    expect(settings).toMatchObject({ domain: "a.test", ssh: "22", data: "/layer1/d", "denied-keys": "/layer1/keys" });
    expect(settings.limits["requests-in-flight"]).toBe(5);
    expect(configOf(settings)).toMatchObject({ ssh: { host: "127.0.0.1", port: 22 }, http: { host: "0.0.0.0", port: 80 }, https: null });
    expect(read({ domain: "a.test" }).data).toBe("/layer0/airy-edge");
  });

  it.each([
    [{}, "domain is missing"],
    [{ domain: "*.t.test" }, "wildcard"],
    [{ domain: "t.test", colour: "blue" }, "there is no colour"],
    [{ domain: "t.test", limits: { speed: 1 } }, "there is no limits.speed"],
    [{ domain: "t.test", limits: { "requests-in-flight": 0 } }, "limits.requests-in-flight"],
    [{ domain: "t.test", ssh: "x:99999" }, "ssh is not [host:]port"],
    [{ domain: "t.test", redirect: "yes" }, "redirect"],
    [{ domain: "t.test", "authorized-keys": "" }, "authorized-keys"],
    [{ domain: "t.test", "authorized-keys": null }, "authorized-keys"],
    [{ domain: "t.test", tls: "files" }, "needs tls-cert and tls-key"],
    [{ domain: "t.test", https: ":443" }, "need tls"],
    [{ domain: "t.test", hosts: { "a.t.test": "shop" } }, "is below the domain"],
    [{ domain: "t.test", hosts: { "http://a.test": "shop" } }, "hosts"],
  ])("refuses %j and says why", (values, reason) => {
    expect(refusal(values)).toContain(reason);
  });
});

const envelope = (command: RunningCommand) => JSON.parse(command.stdout().trim().split("\n").at(-1)!) as Envelope;
async function airy(args: string[], env: Record<string, string> = {}): Promise<RunningCommand & { code: number | null }> {
  const command = run(args, env, dir);
  return { ...command, code: await command.exited };
}

describe("--check", () => {
  it("prints what flags, environment and file come to, and that is a file of the same meaning", async () => {
    const { public: line } = newKey();
    file("etc/keys", `${line}\n`);
    const config = file("etc/edge.yaml", "domain: file.test\nhttp: :8081\nssh: 2299\nredirect: false\nauthorized-keys: keys\n");
    const checked = await airy(["edge", "--config", config, "--http", ":8082", "--check"], {
      AIRY_SSH: ":2200",
      AIRY_LIMIT: "requests-in-flight=7",
    });
    expect([checked.code, checked.stderr()]).toEqual([0, ""]);
    const printed = checked.stdout();
    expect(parse(printed)).toMatchObject({
      domain: "file.test",
      http: ":8082",
      ssh: ":2200",
      tls: "off",
      data: path.join(dir, "airy-edge"),
      "authorized-keys": path.join(dir, "etc/keys"),
      limits: { "requests-in-flight": 7 },
    });
    expect(printed).toContain("keys that may connect: 1;");
    const again = await airy(["edge", "--config", file("printed.yaml", printed), "--check", "--json"]);
    expect(envelope(again).data).toEqual({ config: parse(printed), certificate: null, keys: { authorized: 1, denied: null } });
  });

  it("takes the stricter limits of templates/airy-edge.env", async () => {
    const template = readFileSync(path.resolve(import.meta.dirname, "../../templates/airy-edge.env"), "utf8");
    const [, limits = ""] = /^AIRY_LIMIT=(\S+)$/m.exec(template)!;
    const checked = await airy(["edge", "--domain", "t.test", "--check"], { AIRY_LIMIT: limits });
    const { limits: used } = parse(checked.stdout()) as { limits: Record<string, number> };
    const usual = readSettings([{ values: { domain: "t.test" }, folder: "/" }]).limits as Record<string, number>;
    const set = limits.split(",").map((each) => each.split("=")[0]!);
    expect(set.length).toBeGreaterThan(5);
    for (const name of set) expect([name, used[name]! < usual[name]!]).toEqual([name, true]);
  });

  it.each([
    ["a list of keys with a mistake", { "authorized-keys": "bad" }, 20, /bad, line 2:/],
    ["a list of keys that is not there", { "denied-keys": "nowhere" }, 20, /nowhere/],
    ["a certificate that is not there", { tls: "files", "tls-cert": "c.pem", "tls-key": "k.pem" }, 20, /c\.pem/],
    ["a hook that cannot be run", { tls: "acme", "acme-hook": "wrong.yaml" }, 20, /EACCES.*wrong\.yaml/],
    ["a key without a value", { ssh: null }, 2, /ssh has no value/],
    ["a name that does not exist", { sssh: ":22" }, 2, /there is no sssh/],
  ])("finds %s", async (_what, values, code, reason) => {
    file("bad", `${newKey().public}\ncommand="x" ssh-ed25519 AAAA\n`);
    const config = file("wrong.yaml", JSON.stringify({ domain: "t.test", ...values }));
    const checked = await airy(["edge", "--config", config, "--check"]);
    expect(checked.code).toBe(code);
    expect(checked.stderr() + checked.stdout()).toMatch(reason);
  });
});

const any = "127.0.0.1:0";
const statusOf = (port: number, host: string) =>
  new Promise<number>((resolve, reject) => {
    http.get({ host: "127.0.0.1", port, headers: { host }, agent: false }, (r) => resolve(r.resume().statusCode!)).on("error", reject);
  });

it("SIGHUP takes new limits from the file; of a file that is broken, none", async () => {
  const config = file("hup.yaml", `domain: t.test\nssh: ${any}\nhttp: ${any}\ndata: hup\n`);
  const edge = run(["edge", "--config", config, "--json"], {}, dir);
  await edge.line((line) => line.includes("listening"));
  file("hup.yaml", "domain: t.test\nlimits: {requests-in-flight: none}\n");
  edge.child.kill("SIGHUP");
  await until("the refusal", () => edge.stderr().includes("the limits stay as they are"));
  file("hup.yaml", "domain: t.test\nlimits: {requests-in-flight: 3}\n");
  edge.child.kill("SIGHUP");
  await until("the new limits", () => edge.stderr().includes("requests-in-flight 3"));
  expect(await edge.kill()).toBe(0);
});

describe("airy edge names", () => {
  const names = async (...args: string[]) => {
    const command = await airy(["edge", "names", ...args, "--data", path.join(dir, "named"), "--json"]);
    return { code: command.code, ...envelope(command) };
  };
  const list = async () =>
    ((await names("list")).data as { names: { name: string; fingerprint: string | null; reserved: boolean }[] }).names;
  const start = async () => {
    const edge = run(["edge", "--domain", "t.test", "--ssh", any, "--http", any, "--data", "named", "--json"], {}, dir);
    const ports = JSON.parse(await edge.line((line) => line.includes("listening"))) as { sshPort: number; httpPort: number };
    return { edge, ...ports };
  };

  it("lists, takes away, keeps and releases while the edge runs, and what was said holds over a restart", async () => {
    const running = await start();
    const key = newKey();
    const client = await login(running.sshPort, key.private);
    await new Promise((resolve, reject) => client.forwardIn("", 80, (error) => (error ? reject(error) : resolve(null))));
    const [claimed] = await list();
    expect(claimed).toMatchObject({ fingerprint: expect.stringMatching(/^SHA256:/) as string, reserved: false });
    const { name, fingerprint } = claimed!;
    const gone = once(client, "close");
    expect((await names("revoke", name)).code).toBe(0);
    await gone;
    expect(await statusOf(running.httpPort, `${name}.t.test`)).toBe(404);
    expect(await list()).toMatchObject([{ name, fingerprint: null, reserved: true }]);
    expect((await names("reserve", "shop", "--key", fingerprint!)).code).toBe(0);
    expect(JSON.stringify((await names("reserve", "shop")).error)).toContain("belongs to");
    expect((await names("release", "nobody")).code).toBe(2);
    // Its key gets another one.
    const again = await login(running.sshPort, key.private);
    await new Promise((resolve, reject) => again.forwardIn("", 80, (error) => (error ? reject(error) : resolve(null))));
    expect((await list()).map((each) => each.name)).toHaveLength(3);
    again.end();
    await running.edge.kill();
    // And by hand in the folder of an edge that does not run.
    expect((await names("release", name)).code).toBe(0);
    const restarted = await start();
    expect((await list()).filter((each) => each.reserved)).toMatchObject([{ name: "shop", fingerprint }]);
    expect((await list()).some((each) => each.name === name)).toBe(false);
    await restarted.edge.kill("SIGKILL");
    expect((await names("revoke", "shop")).code).toBe(0);
  });

  it("says what is missing, and makes no folder", async () => {
    expect((await names("revoke")).code).toBe(2);
    const nowhere = await airy(["edge", "names", "list", "--data", path.join(dir, "nowhere")]);
    expect([nowhere.code, nowhere.stderr()]).toEqual([20, expect.stringContaining("does not exist")]);
    expect(() => readFileSync(path.join(dir, "nowhere"))).toThrow("ENOENT");
  });
});
