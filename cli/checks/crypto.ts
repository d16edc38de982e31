/** Whether ssh2 has its compiled part. It is built at install time, worth twice the speed, and goes missing silently when Node changes. */
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);

/** null when it is in use; else what is wrong and what to do. */
export function lookAtCrypto(): { message: string; action: string } | null {
  const message = whyCryptoIsSlow();
  return message === null ? null : { message, action: `npm --prefix ${folderOf(require)} rebuild ssh2` };
}

/** The same where nobody can do anything about it: in a container. */
export function whyCryptoIsSlow(): string | null {
  try {
    require("ssh2/lib/protocol/crypto/build/Release/sshcrypto.node");
    return null;
  } catch (error) {
    const built = (error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND";
    const cause = built ? "does not fit this version of Node" : "is missing (compiling it needs python3, make and a C++ compiler)";
    return `The native part of ssh2 ${cause}: the tunnel works at about half its speed, which is plenty for webhooks.`;
  }
}

/** Where npm is to work: the user stands in a workspace. */
function folderOf(require: NodeJS.Require): string {
  // <folder>/node_modules/ssh2/lib/index.js
  const folder = path.resolve(require.resolve("ssh2"), "../../../..");
  return /^[\w./+@-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`;
}
