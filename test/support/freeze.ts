/** A folder that cannot be written to, not even by root, whom permissions do not stop. */
import { execFileSync } from "node:child_process";
import { chmod } from "node:fs/promises";

/** Of e2fsprogs. */
const chattr = "chattr";

/** Returns how to undo it, or null where root cannot be stopped (no chattr, or a file system without it). */
export async function freeze(dir: string): Promise<(() => Promise<void>) | null> {
  if (process.getuid?.() !== 0) {
    await chmod(dir, 0o555);
    return () => chmod(dir, 0o755);
  }
  try {
    execFileSync(chattr, ["+i", dir], { stdio: "ignore" });
  } catch {
    return null;
  }
  return async () => void execFileSync(chattr, ["-i", dir]);
}
