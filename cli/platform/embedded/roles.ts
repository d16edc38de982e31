/**
 * Who may do what in the database. The platform logs in as `airy`, which owns its database and nothing else: a hole in the platform is not
 * one in the whole machine. The superuser has no password, and nothing lets it log in.
 */
import { chown, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { fail } from "../../errors.ts";
import { finish, linesOf } from "./child.ts";
import { launch, type Footing } from "./footing.ts";

/** Made by initdb; always oid 10 (pg_authid.dat, BOOTSTRAP_SUPERUSERID). */
export const SUPERUSER = "airy_superuser";

/** In the data folder, once this was done to it. */
const DONE = "airy.roles";

/**
 * One statement a line, each of which may be repeated. In data of an earlier airy the superuser is called `airy`; a bootstrap superuser
 * cannot be demoted, so it gives its name and password to a new role.
 */
const roles = [
  `update pg_authid set rolname = '${SUPERUSER}' where oid = 10`,
  "do $$ begin if to_regrole('airy') is null then create role airy login; end if; end $$",
  "update pg_authid set rolpassword = (select rolpassword from pg_authid where oid = 10) where rolname = 'airy' and rolpassword is null",
  "update pg_authid set rolpassword = null where oid = 10",
];
/** `create database` can be in no function, and fails when there is one. */
const database = "create database airy owner airy";
const owning = [
  "alter database airy owner to airy",
  ownAll("schema", "select quote_ident(nspname) from pg_namespace where nspowner = 10 and nspname !~ '^pg_|^information_schema$|^public$'"),
  ownAll(
    "table",
    `select oid::regclass::text from pg_class where relowner = 10 and relkind in ('r', 'p', 'v', 'm', 'f') and ${ofUsers("relnamespace")}`,
  ),
  ownAll(
    "sequence",
    `select oid::regclass::text from pg_class c where relowner = 10 and relkind = 'S' and ${ofUsers("relnamespace")} ` +
      "and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype in ('a', 'i'))",
  ),
  ownAll("routine", `select oid::regprocedure::text from pg_proc where proowner = 10 and ${ofUsers("pronamespace")}`),
  ownAll("type", `select oid::regtype::text from pg_type where typowner = 10 and typtype in ('e', 'd') and ${ofUsers("typnamespace")}`),
];

function ownAll(kind: string, names: string): string {
  return `do $$ declare name text; begin for name in ${names} loop execute 'alter ${kind} ' || name || ' owner to airy'; end loop; end $$`;
}

function ofUsers(namespace: string): string {
  return `${namespace}::regnamespace::text !~ '^pg_|^information_schema$'`;
}

export interface RolesOptions {
  footing: Footing;
  dataDir: string;
  /** Arguments of {@link argumentsFor}. */
  args: readonly string[];
  path: string;
  log: (line: string) => void;
  signal: AbortSignal;
}

/** Nothing runs on the folder. Its superuser has a password, or `airy` has one. Throws POSTGRES_INIT_FAILED. */
export async function separateRoles(options: RolesOptions): Promise<void> {
  const done = path.join(options.dataDir, DONE);
  if (await stat(done).catch(() => null)) return;
  await single(options, "postgres", roles, true);
  await single(options, "postgres", [database], false);
  await single(options, "airy", owning, true);
  await writeFile(done, "airy owns its database and is no superuser\n", { mode: 0o600 });
  const { owner } = options.footing;
  if (owner) await chown(done, owner.uid, owner.gid);
}

/** Postgres without a server: it reads statements from its stdin, as superuser, and ends. */
async function single(options: RolesOptions, name: string, statements: readonly string[], all: boolean): Promise<void> {
  const { footing, dataDir, args } = options;
  const strict = ["-c", `exit_on_error=${all ? "on" : "off"}`, "-c", "search_path=pg_catalog"];
  const input = `${statements.join("\n")}\n`;
  const child = launch(footing, "postgres", ["--single", "-D", dataDir, ...args, ...strict, name], { path: options.path, input });
  // Its prompts and results are on stdout, and nobody's concern.
  child.stdout?.resume();
  const last = linesOf({ stdout: null, stderr: child.stderr }, all ? options.log : () => {});
  const { exitCode } = await finish(child, options.signal);
  if (exitCode === 0) return;
  fail("POSTGRES_INIT_FAILED", { reason: last(1)[0] ?? `It ended with ${exitCode}.`, log: last(10), service: "postgres" });
}
