/** The edge's own key: ed25519, made on first start, kept in the data folder. */
import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import ssh2 from "ssh2";
import { EdgeError } from "../errors.ts";
import { generateKey } from "../names/key.ts";

export interface HostKey {
  /** OpenSSH format. */
  privateKey: string;
  /** `ssh-ed25519 AAAA...` */
  publicKey: string;
}

/** Reads `privateKey`, or the file `host_key` in the data folder, which is made when it is missing. Throws EDGE_HOST_KEY. */
export async function loadHostKey(privateKey: string | null, dataDir: string): Promise<HostKey> {
  const pem = privateKey ?? (await readOrCreate(path.join(dataDir, "host_key")));
  const parsed = ssh2.utils.parseKey(pem);
  if (parsed instanceof Error) throw new EdgeError("EDGE_HOST_KEY", parsed.message);
  return { privateKey: pem, publicKey: `${parsed.type} ${parsed.getPublicSSH().toString("base64")}` };
}

async function readOrCreate(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw new EdgeError("EDGE_HOST_KEY", String(error));
  }
  const { privateKey: pem } = generateKey("airy edge");
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  // Two edges may be started at the same time, and only later find out: the key whose link comes first is the key of both.
  const temporary = `${file}.${randomUUID()}`;
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(pem);
    await handle.sync();
    await link(temporary, file);
    return pem;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw new EdgeError("EDGE_HOST_KEY", String(error));
    return await readFile(file, "utf8");
  } finally {
    await handle.close();
    await rm(temporary, { force: true });
  }
}
