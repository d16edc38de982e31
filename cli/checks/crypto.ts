/** Whether ssh2 has its compiled part. It is built at install time, worth twice the speed, and goes missing silently when Node changes. */
import { createRequire } from "node:module";

/** null when it is in use; else what is wrong and what to do. */
export function lookAtCrypto(): { message: string; action: string } | null {
  try {
    createRequire(import.meta.url)("ssh2/lib/protocol/crypto/build/Release/sshcrypto.node");
    return null;
  } catch (error) {
    const built = (error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND";
    const cause = built ? "does not fit this version of Node" : "is missing (it is compiled at install time)";
    return { message: `The native part of ssh2 ${cause}: the tunnel works at about half its speed.`, action: "npm rebuild ssh2" };
  }
}
