/**
 * What Postgres is told, all of it by us: on its command line, which wins over every file, and in files of ours beside the data folder.
 * What a data folder says of itself decides neither what is executed nor who may log in.
 */
import { chown, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { writeAtomic } from "../../io/files.ts";
import type { Footing } from "./footing.ts";

/** Only in the names of its socket and of that socket's lock: it does not listen on any port. */
export const SOCKET_PORT = 5432;

/** Small and safe: a laptop runs this in the background, and an acknowledged message must survive a power cut (fsync stays on). */
const ours = {
  // Everybody on the machine can connect to a port, and forty who say nothing would keep the platform out.
  listen_addresses: "",
  unix_socket_permissions: "0700",
  max_connections: "40",
  shared_buffers: "16MB",
  max_wal_size: "256MB",
  min_wal_size: "32MB",
  // Neither replication nor parallel queries: their processes and memory are saved.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  max_parallel_workers_per_gather: "0",
  io_method: "sync",
  jit: "off",
  log_destination: "stderr",
  logging_collector: "off",
  log_line_prefix: "[%p] ",
  log_checkpoints: "off",
  log_min_messages: "warning",
  // A statement in the log could carry a message or a token.
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
};

/** Everything that runs a program, loads a library, or reads a key or a file of somebody's choice (`postgres --describe-config`, 18). */
const nothing = {
  shared_preload_libraries: "",
  session_preload_libraries: "",
  local_preload_libraries: "",
  oauth_validator_libraries: "",
  jit_provider: "llvmjit",
  dynamic_library_path: "$libdir",
  extension_control_path: "$system",
  archive_mode: "off",
  archive_command: "",
  archive_library: "",
  archive_cleanup_command: "",
  restore_command: "",
  recovery_end_command: "",
  primary_conninfo: "",
  external_pid_file: "",
  krb_server_keyfile: "",
  ssl: "off",
  ssl_passphrase_command: "",
  event_triggers: "off",
  allow_alter_system: "off",
  allow_system_table_mods: "off",
};

const files = {
  config_file: ["postgresql.conf", "# airy gives every setting on the command line.\n"],
  // Its superuser cannot log in at all, see roles.ts.
  hba_file: ["pg_hba.conf", "local airy airy scram-sha-256\n"],
  ident_file: ["pg_ident.conf", ""],
} as const;

/** Writes the files and returns the arguments that make Postgres use these and no others. */
export async function argumentsFor(footing: Footing, base: string, dataDir: string): Promise<string[]> {
  const dir = path.join(base, "conf");
  const { owner } = footing;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (owner) await chown(dir, owner.uid, owner.gid);
  const given: Record<string, string> = {};
  for (const [name, [file, text]] of Object.entries(files)) {
    given[name] = path.join(dir, file);
    await writeAtomic(given[name], text);
    if (owner) await chown(given[name], owner.uid, owner.gid);
  }
  // The one file of the data folder that is read whatever the command line says.
  await rm(path.join(dataDir, "postgresql.auto.conf"), { force: true });
  return Object.entries({ ...ours, ...nothing, ...given }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
