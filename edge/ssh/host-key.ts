/** The edge's own key: ed25519, made on first start, kept in the data folder. */
import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
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
  // Whole or not there: a process that is killed in between leaves no half of a key.
  const temporary = `${file}.${randomUUID()}`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(pem);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    return pem;
  } catch (error) {
    await rm(temporary, { force: true });
    throw new EdgeError("EDGE_HOST_KEY", String(error));
  }
}
