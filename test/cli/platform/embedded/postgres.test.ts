import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Client } from "pg";
import { afterEach, describe, expect, test } from "vitest";
import type { AiryEventBody } from "../../../../cli/events.ts";
import { besideBase, findFooting } from "../../../../cli/platform/embedded/footing.ts";
import { findPostmaster, stopPostmaster } from "../../../../cli/platform/embedded/postmaster.ts";
import { startPostgres, type Host, type RunningPostgres } from "../../../../cli/platform/embedded/postgres.ts";

const root = process.getuid?.() === 0;
const linux = process.platform === "linux";
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const kill: Host["kill"] = (pid, signal) => {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
};

function hostWith(searchPath = process.env.PATH ?? ""): Host {
  return { os: process.platform, arch: process.arch, uid: process.getuid?.() ?? null, path: searchPath, kill };
}

/** A search path on which only these programs are found. */
async function pathOf(...programs: string[]): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-path-"));
  cleanups.push(() => rm(dir, { recursive: true }));
  execFileSync("chmod", ["755", dir]);
  for (const program of programs) await symlink(execFileSync("which", [program], { encoding: "utf8" }).trim(), path.join(dir, program));
  return dir;
}

async function makeWorkspace(): Promise<string> {
  const dir = await realpath(await mkdtemp(path.join(os.tmpdir(), "airy-postgres-")));
  await mkdir(path.join(dir, ".airy"), { mode: 0o700 });
  cleanups.push(async () => {
    await stopPostmaster(dataOf(dir), kill);
    await rm(dir, { recursive: true, force: true });
    if (root) await rm(await besideBase({ base: path.join(dir, ".airy", "postgres") }), { recursive: true, force: true });
  });
  return dir;
}

function dataOf(workspace: string): string {
  return path.join(workspace, ".airy", "postgres", "data");
}

function runOf(workspace: string): string {
  return path.join(workspace, ".airy", "postgres", "run");
}

interface Started extends RunningPostgres {
  events: AiryEventBody[];
  /** Resolves when the service was reported in this state, counted from now. */
  next(state: string): Promise<void>;
}

async function startIn(workspace: string, options: { host?: Host; password?: string } = {}): Promise<Started> {
  const events: AiryEventBody[] = [];
  const waiting: { state: string; resolve: () => void }[] = [];
  const postgres = await startPostgres({
    workspace,
    password: options.password ?? "correct horse/ü@",
    host: options.host ?? hostWith(),
    signal: new AbortController().signal,
    emit: (event) => {
      events.push(event);
      if (event.type !== "service") return;
      for (const waiter of waiting.filter(({ state }) => state === event.service.state)) {
        waiting.splice(waiting.indexOf(waiter), 1);
        waiter.resolve();
      }
    },
  });
  cleanups.push(() => postgres.close());
  return Object.assign(postgres, {
    events,
    next: (state: string) => new Promise<void>((resolve) => waiting.push({ state, resolve })),
  });
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client(url);
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

async function pidOf(workspace: string): Promise<number> {
  return (await findPostmaster(dataOf(workspace)))!.pid;
}

describe("a Postgres of the workspace's own", () => {
  test("is durable, UTF-8, reachable by its socket alone, and keeps its data over a restart", async () => {
    const workspace = await makeWorkspace();
    const first = await startIn(workspace);
    const settings =
      "current_setting('fsync') fsync, current_setting('synchronous_commit') commit, current_setting('server_encoding') encoding";
    const more = "current_setting('listen_addresses') address, datcollate collation";
    expect(await query(first.url, `select ${settings}, ${more} from pg_database where datname = 'airy'`)).toEqual([
      { fsync: "on", commit: "on", encoding: "UTF8", address: "", collation: "C" },
    ]);
    expect((await findPostmaster(dataOf(workspace)))?.socket).toBe(path.join(runOf(workspace), ".s.PGSQL.5432"));
    await query(first.url, "create table kept as select 'ünï' as word");
    await first.close();
    expect(await findPostmaster(dataOf(workspace))).toBeNull();

    const second = await startIn(workspace);
    expect(await query(second.url, "select word from kept")).toEqual([{ word: "ünï" }]);
    expect(second.events.filter((event) => event.type === "service").map((event) => event.service.state)).toEqual(["starting", "running"]);
  });

  test("lets nobody in without the password and leaves none on the disk", async () => {
    const workspace = await makeWorkspace();
    const postgres = await startIn(workspace, { password: "canary-8f3a" });
    await expect(query(postgres.url.replace("canary-8f3a", "wrong"), "select 1")).rejects.toMatchObject({ code: "28P01" });
    const at = encodeURIComponent(runOf(workspace));
    for (const user of ["airy", "airy_superuser", "postgres"]) {
      for (const database of ["airy", "postgres", "template1"]) {
        await expect(query(`postgres://${user}@${at}/${database}`, "select 1")).rejects.toThrow();
        if (user !== "airy") await expect(query(`postgres://${user}:canary-8f3a@${at}/${database}`, "select 1")).rejects.toThrow();
      }
    }
    const base = path.join(workspace, ".airy");
    expect(spawnSync("grep", ["-rlaF", "canary-8f3a", base]).status).toBe(1); // 1: not found
  });

  test("keeps its files to itself", async () => {
    const workspace = await makeWorkspace();
    await startIn(workspace);
    for (const dir of [path.join(workspace, ".airy", "postgres"), dataOf(workspace), runOf(workspace)])
      expect((await stat(dir)).mode & 0o077).toBe(0);
    expect((await stat(path.join(workspace, ".airy", "logs", "postgres.log"))).mode & 0o077).toBe(0);
    expect(await readdir(path.join(workspace, ".airy", "postgres"))).toEqual(["conf", "data", "run"]);
  });

  test("has its socket in a closed folder elsewhere where its own path is too long for one", async () => {
    const workspace = path.join(await makeWorkspace(), "long".repeat(25));
    await mkdir(path.join(workspace, ".airy"), { recursive: true, mode: 0o700 });
    const postgres = await startIn(workspace);
    const dir = path.dirname((await findPostmaster(dataOf(workspace)))!.socket);
    expect(path.dirname(dir)).toBe(os.tmpdir());
    expect((await stat(dir)).mode & 0o077).toBe(0);
    await postgres.close();
    await expect(stat(dir)).rejects.toMatchObject({ code: "ENOENT" });
    expect(await query((await startIn(workspace)).url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("gives the platform a role that owns its database and nothing of the machine", async () => {
    const postgres = await startIn(await makeWorkspace());
    const role =
      "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as any_power from pg_roles where rolname = user";
    expect(await query(postgres.url, role)).toEqual([{ any_power: false }]);
    await query(postgres.url, "create table t (line text)");
    for (const sql of ["copy t from program 'id'", "copy t from '/etc/passwd'", "alter system set fsync = off", "load '/tmp/evil'"]) {
      await expect(query(postgres.url, sql)).rejects.toMatchObject({ code: expect.stringMatching(/^(42501|0A000)$/) });
    }
  });

  test("bounds its log while it runs", async () => {
    const workspace = await makeWorkspace();
    const postgres = await startIn(workspace);
    await query(postgres.url, "do $$ begin for i in 1..1500 loop raise warning '%', repeat('x', 16000); end loop; end $$");
    const file = path.join(workspace, ".airy/logs/postgres.log");
    await expect.poll(() => stat(`${file}.1`).then(({ size }) => size > 9_000_000), { timeout: 20_000 }).toBe(true);
    expect((await stat(file)).size).toBeLessThan(11_000_000);
  });
});

/** A data folder as an earlier airy made it, and used it: its role is superuser, and what it says of itself counts. */
async function makeOldData(workspace: string, password: string, sql: string): Promise<void> {
  const base = path.join(workspace, ".airy", "postgres");
  const { prefix, binaries } = await findFooting({ base, ...hostWith() });
  const program = (name: string): string[] => [...prefix, path.join(binaries.native, "bin", name)];
  const run = async ([file, ...args]: string[], input = ""): Promise<void> => {
    const ended = spawnSync(file!, args, { input, cwd: "/", encoding: "utf8" });
    expect([ended.status, ended.stderr]).toEqual([0, expect.any(String)]);
  };
  const passwordFile = path.join(base, "password");
  await writeFile(passwordFile, password, { mode: 0o600 });
  const auth = ["-U", "airy", `--pwfile=${passwordFile}`, "--auth=scram-sha-256"];
  await run([...program("initdb"), "-D", dataOf(workspace), ...auth, "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync"]);
  await rm(passwordFile);
  const single = [...program("postgres"), "--single", "-D", dataOf(workspace), "-c", "exit_on_error=on"];
  await run([...single, "postgres"], "create database airy\n");
  await run([...single, "airy"], `${sql.replaceAll("\n", " ").replaceAll(";;", "\n")}\n`);
}

describe("data of an earlier airy", () => {
  test("is taken over with everything in it, by a role that is no superuser", async () => {
    const workspace = await makeWorkspace();
    const objects =
      "create type mood as enum ('good');; create table message (id bigint generated always as identity, word text, m mood);; " +
      "create view words as select word from message;; create sequence counter;; insert into message (word) values ('kept');; " +
      "create function twice(int) returns int language sql as 'select 2 * $1';; create schema more;; create table more.serials (id serial)";
    await makeOldData(workspace, "old/ü@", objects);
    for (let round = 0; round < 2; round++) {
      const postgres = await startIn(workspace, { password: "old/ü@" });
      expect(await query(postgres.url, "select rolname, rolsuper from pg_roles where rolname ~ '^airy' order by 1")).toEqual([
        { rolname: "airy", rolsuper: false },
        { rolname: "airy_superuser", rolsuper: true },
      ]);
      expect(await query(postgres.url, "select word from words")).toEqual([{ word: "kept" }]);
      // Only an owner may do these.
      await query(
        postgres.url,
        `alter table message add column c${round} int; alter view words rename to words2; alter view words2 rename to words`,
      );
      await query(
        postgres.url,
        "alter sequence counter restart; alter type mood add value if not exists 'bad'; create or replace function twice(int) returns int language sql as 'select 2 * $1'",
      );
      await query(
        postgres.url,
        `create table more.new${round} (id int); alter table more.serials add column c${round} int; insert into more.serials default values`,
      );
      await postgres.close();
    }
    await expect(startIn(workspace, { password: "another" })).rejects.toMatchObject({ code: "POSTGRES_PASSWORD" });
  });

  test("runs nothing and lets nobody in because of what its own files say", async () => {
    const workspace = await makeWorkspace();
    await makeOldData(workspace, "secret", "select 1");
    const data = dataOf(workspace);
    const touched = path.join(workspace, "touched");
    const evil = [
      `shared_preload_libraries = '${data}/evil'`,
      `session_preload_libraries = '${data}/evil'`,
      `local_preload_libraries = '${data}/evil'`,
      "archive_mode = on",
      `archive_command = 'touch ${touched}'`,
      `ssl = on\nssl_passphrase_command = 'touch ${touched}'`,
      "listen_addresses = '*'\nport = 5999\nlog_min_error_statement = debug5",
      `hba_file = '${data}/pg_hba.conf'`,
    ].join("\n");
    await writeFile(path.join(data, "postgresql.conf"), evil);
    await writeFile(path.join(data, "postgresql.auto.conf"), evil);
    await writeFile(path.join(data, "pg_hba.conf"), "local all all trust\nhost all all all trust\n");
    const postgres = await startIn(workspace, { password: "secret" });
    const names = [
      "config_file",
      "hba_file",
      "ident_file",
      "shared_preload_libraries",
      "session_preload_libraries",
      "listen_addresses",
      "archive_mode",
      "ssl",
    ];
    // The first ones are for superusers to see.
    const shown = await query(
      postgres.url,
      `select name, setting, sourcefile from pg_settings where name = any('{${names.join(",")}}') order by 1`,
    );
    expect(shown).toEqual(
      ["archive_mode", "listen_addresses", "ssl"].map((name) => ({
        name,
        setting: name === "listen_addresses" ? "" : "off",
        sourcefile: null,
      })),
    );
    await expect(query(postgres.url.replace("secret", "guess"), "select 1")).rejects.toMatchObject({ code: "28P01" });
    const args = await readFile(`/proc/${await pidOf(workspace)}/cmdline`, "utf8");
    for (const name of ["shared_preload_libraries", "session_preload_libraries", "local_preload_libraries"])
      expect(args).toContain(`\0${name}=\0`);
    await expect(stat(touched)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("when things go wrong", () => {
  test("a database that is killed is reported and comes back on its port with everything committed", async () => {
    const workspace = await makeWorkspace();
    const postgres = await startIn(workspace);
    await query(postgres.url, "create table acknowledged as select generate_series(1, 1000) as id");
    for (let round = 0; round < 2; round++) {
      const exited = postgres.next("exited");
      const running = exited.then(() => postgres.next("running"));
      kill(await pidOf(workspace), "SIGKILL");
      await running;
      expect(await query(postgres.url, "select count(*)::int as n from acknowledged")).toEqual([{ n: 1000 }]);
    }
    expect(postgres.events.filter((event) => event.type === "warning")).toMatchObject([
      { code: "SERVICE_EXITED" },
      { code: "SERVICE_EXITED" },
    ]);
    expect(postgres.status()).toEqual({ name: "postgres", state: "running", health: "healthy" });
  });

  test("close while it is down ends the attempts to start it", async () => {
    const workspace = await makeWorkspace();
    const postgres = await startIn(workspace);
    const exited = postgres.next("exited");
    kill(await pidOf(workspace), "SIGKILL");
    await exited;
    await postgres.close();
    expect(await findPostmaster(dataOf(workspace))).toBeNull();
    expect(postgres.status().state).toBe("exited");
  });

  test("one that a killed process left behind is stopped, and its data used", async () => {
    const workspace = await makeWorkspace();
    const first = await startIn(workspace);
    await query(first.url, "create table kept as select 1 as one");
    await first.close();
    const footing = await findFooting({ base: path.join(workspace, ".airy", "postgres"), ...hostWith() });
    // As its child it would be restarted by the first start; this is what is left when the agent process is killed.
    const [file, ...args] = [...footing.prefix, path.join(footing.binaries.native, "bin/postgres"), "-D", dataOf(workspace), "-p", "5433"];
    const sockets = ["-c", "listen_addresses=", "-c", `unix_socket_directories=${path.dirname(runOf(workspace))}`];
    const orphan = spawn(file!, [...args, ...sockets], { stdio: "ignore", detached: true, cwd: "/" });
    const gone = new Promise((resolve) => orphan.once("exit", resolve));
    await expect.poll(async () => (await findPostmaster(dataOf(workspace)))?.ready, { timeout: 10_000 }).toBe(true);

    const second = await startIn(workspace);
    await gone;
    expect(await pidOf(workspace)).not.toBe(orphan.pid);
    expect(await query(second.url, "select one from kept")).toEqual([{ one: 1 }]);
  });

  test("a pid file whose pid belongs to another program by now is in nobody's way, and that program stays alive", async () => {
    const workspace = await makeWorkspace();
    const first = await startIn(workspace);
    await first.close();
    const bystander = spawn("sleep", ["600"], { stdio: "ignore" });
    cleanups.push(async () => bystander.kill());
    await writeFile(
      path.join(dataOf(workspace), "postmaster.pid"),
      `${bystander.pid}\n${dataOf(workspace)}\n1\n1\n\n127.0.0.1\n1 1\nready   \n`,
    );
    expect(await findPostmaster(dataOf(workspace))).toBeNull();
    const second = await startIn(workspace);
    expect(await query(second.url, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
  });

  test("a creation that was interrupted leaves nothing behind and is done again", async () => {
    const workspace = await makeWorkspace();
    const giveUp = new AbortController();
    const base = path.join(workspace, ".airy", "postgres");
    const starting = startPostgres({ workspace, password: "x", host: hostWith(), emit: () => undefined, signal: giveUp.signal });
    const failed = expect(starting).rejects.toThrow("enough");
    const half = async (): Promise<string | undefined> => (await readdir(base).catch(() => [])).find((name) => name.startsWith("init-"));
    await expect.poll(half, { timeout: 10_000, interval: 5 }).toBeDefined();
    giveUp.abort(new Error("enough"));
    await failed;
    expect(await readdir(base)).toEqual([]);
    // And what a kill in the middle leaves.
    await mkdir(path.join(base, "init-abc", "data"), { recursive: true });
    await writeFile(path.join(base, "init-abc", "data", "PG_VERSION"), "18\n");
    const postgres = await startIn(workspace);
    expect(await query(postgres.url, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(await readdir(base)).toEqual(["conf", "data", "run"]);
  });

  test("data of another major version is refused and not touched", async () => {
    const workspace = await makeWorkspace();
    await (await startIn(workspace)).close();
    await writeFile(path.join(dataOf(workspace), "PG_VERSION"), "17\n");
    await expect(startIn(workspace)).rejects.toMatchObject({ code: "POSTGRES_DATA_VERSION", details: { found: "17", known: "18" } });
    await writeFile(path.join(dataOf(workspace), "PG_VERSION"), "18\n");
    await startIn(workspace);
  });

  test("another password than the one the data was made with is named, and nothing stays running", async () => {
    const workspace = await makeWorkspace();
    await (await startIn(workspace, { password: "before" })).close();
    await expect(startIn(workspace, { password: "after" })).rejects.toMatchObject({ code: "POSTGRES_PASSWORD" });
    expect(await findPostmaster(dataOf(workspace))).toBeNull();
    await startIn(workspace, { password: "before" });
  });

  test("data that Postgres does not accept ends the start with its own words", async () => {
    const workspace = await makeWorkspace();
    await (await startIn(workspace)).close();
    await writeFile(path.join(dataOf(workspace), "global", "pg_control"), "broken");
    await expect(startIn(workspace)).rejects.toMatchObject({
      code: "SERVICE_EXITED",
      details: { service: "postgres", log: expect.arrayContaining([expect.stringContaining("pg_control")]) },
    });
  });
});

describe.runIf(root && linux)("as root", () => {
  const ways: [way: string, programs: string[]][] = [
    ["namespace", ["ls", "unshare", "setpriv"]],
    ["capability", ["ls", "setpriv"]],
    ["user", ["ls"]],
  ];
  test.each(ways)("runs by way of %s with only %s at hand", async (way, programs) => {
    const workspace = await makeWorkspace();
    const host = hostWith(await pathOf(...programs));
    const footing = await findFooting({ base: path.join(workspace, ".airy", "postgres"), ...host });
    expect(footing.way).toBe(way);
    const postgres = await startIn(workspace, { host });
    await query(postgres.url, "create table kept as select 1 as one");
    const pid = Number((await readFile(path.join(footing.base, "data", "postmaster.pid"), "utf8")).split("\n")[0]);
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    const owner = way === "namespace" ? 0 : (await stat(path.join(footing.base, "data"))).uid;
    expect(status).toMatch(new RegExp(`^Uid:\\t${owner}\\t`, "m"));
    expect(status).toMatch(new RegExp(`^CapEff:\\t0{15}${way === "capability" ? "2" : "0"}$`, "m"));
    await postgres.close();
    const again = await startIn(workspace, { host });
    expect(await query(again.url, "select one from kept")).toEqual([{ one: 1 }]);
  });

  test("goes on with the same data when another way is the one that works", async () => {
    const workspace = await makeWorkspace();
    const namespace = hostWith(await pathOf("ls", "unshare"));
    const capability = hostWith(await pathOf("ls", "setpriv"));
    const first = await startIn(workspace, { host: namespace });
    await query(first.url, "create table kept as select 1 as one");
    await first.close();
    for (const host of [capability, namespace]) {
      const next = await startIn(workspace, { host });
      expect(await query(next.url, "select one from kept")).toEqual([{ one: 1 }]);
      await next.close();
    }
  });

  test("does not start with an empty database elsewhere when the data cannot be reached any more", async () => {
    const workspace = await makeWorkspace();
    await (await startIn(workspace, { host: hostWith(await pathOf("ls", "unshare")) })).close();
    await expect(startIn(workspace, { host: hostWith(await pathOf("ls")) })).rejects.toMatchObject({ code: "POSTGRES_UNUSABLE" });
  });
});
