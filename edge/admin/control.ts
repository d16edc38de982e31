/**
 * What the operator does to names while the edge runs: by a Unix socket in its data folder, which only the edge's user (and root) can open.
 * One line of JSON each way.
 */
import { rmSync, statSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { z } from "zod";
import { EdgeError } from "../errors.ts";
import { openClaims } from "../names/claims.ts";
import type { NameChange, NameEntry, Names } from "../names/names.ts";
import { lockFolder, shortPath } from "../store/lock.ts";

const SOCKET = "control";
const LONGEST_LINE = 1_000;
/** An edge that is stopped has its connections accepted by the kernel, and says nothing. */
const ANSWER_MS = 10_000;

const NamesOrder = z.discriminatedUnion("action", [
  z.strictObject({ action: z.literal("list") }),
  z.strictObject({ action: z.enum(["revoke", "release"]), name: z.string() }),
  z.strictObject({ action: z.literal("reserve"), name: z.string(), fingerprint: z.string().nullable() }),
]);
export type NamesOrder = z.infer<typeof NamesOrder>;
/** `names` only for `list`. */
export type NamesAnswer = NameChange & { names?: NameEntry[] };

/**
 * Answers orders until it is closed.
 * @param revoked called when somebody's name was taken away.
 */
export async function startControl(dataDir: string, names: Names, revoked: (name: string) => void): Promise<{ close(): void }> {
  const short = shortPath(dataDir);
  const socketPath = path.join(short.path, SOCKET);
  // Left by a process that was killed; the folder is ours alone.
  rmSync(socketPath, { force: true });
  const server = net.createServer((socket) => {
    let line = "";
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      line += chunk.toString();
      if (line.length > LONGEST_LINE) socket.destroy();
      if (!line.endsWith("\n")) return;
      socket.removeAllListeners("data");
      carryOut(line, names, revoked).then(
        (answer) => socket.end(`${JSON.stringify(answer)}\n`),
        (error: Error) => socket.end(`${JSON.stringify({ ok: false, reason: error.message })}\n`),
      );
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(new EdgeError("EDGE_DATA", `${SOCKET}: ${cause.message}`, { cause })));
    server.listen(socketPath, () => resolve());
  });
  server.unref();
  return {
    close: () => {
      server.close();
      short.release();
    },
  };
}

async function carryOut(line: string, names: Names, revoked: (name: string) => void): Promise<NamesAnswer> {
  const order = NamesOrder.parse(JSON.parse(line));
  if (order.action === "list") return { ok: true, names: await names.list() };
  if (order.action === "reserve") return names.reserve(order.name, order.fingerprint);
  if (order.action === "release") return names.release(order.name);
  const answer = await names.revoke(order.name);
  if (answer.ok) revoked(order.name);
  return answer;
}

/**
 * Has an order carried out by the edge that uses this folder, or, when there is none, in the folder itself. Throws EDGE_DATA,
 * EDGE_DATA_LOCKED.
 */
export async function orderNames(dataDir: string, order: NamesOrder): Promise<NamesAnswer> {
  const answer = await ask(dataDir, `${JSON.stringify(order)}\n`);
  if (answer !== null) return JSON.parse(answer) as NamesAnswer;
  ownFolder(dataDir);
  const lock = await lockFolder(dataDir);
  try {
    const names = openClaims(dataDir);
    try {
      return await carryOut(JSON.stringify(order), names, () => {});
    } finally {
      await names.close();
    }
  } finally {
    lock.release();
  }
}

/** What root writes here, the edge's own user could not read. */
function ownFolder(dataDir: string): void {
  const stat = statSync(dataDir, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) throw new EdgeError("EDGE_DATA", `${dataDir} does not exist.`);
  if (process.getuid && stat.uid !== process.getuid()) {
    throw new EdgeError("EDGE_DATA", `No edge runs on ${dataDir}, and it belongs to another user (${stat.uid}). Start the edge first.`);
  }
}

/** Null: no edge runs here. */
function ask(dataDir: string, line: string): Promise<string | null> {
  const short = shortPath(dataDir);
  return new Promise<string | null>((resolve, reject) => {
    const fails = (reason: string) => reject(new EdgeError("EDGE_DATA", `The edge that runs on ${dataDir} ${reason}.`));
    const socket = net.connect({ path: path.join(short.path, SOCKET) });
    let text = "";
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on("connect", () => socket.write(line));
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR") resolve(null);
      else fails(`cannot be asked (${code})`);
    });
    socket.on("close", () => (text.endsWith("\n") ? resolve(text) : fails("does not answer")));
  }).finally(() => short.release());
}
