/** The inbox page: plain files of one folder. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Reply } from "./reply.ts";
import { message } from "./reply.ts";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
};

// The page loads nothing from elsewhere: what messages show comes through this server. Only its icon is drawn by itself.
const policy = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A file of `folder` by its URL path; null when the path cannot be one. Folders inside are not served. */
export async function pageFile(folder: string, pathname: string): Promise<Reply | null> {
  const name = pathname === "/" ? "index.html" : pathname.slice(1);
  const type = types[path.extname(name)];
  if (type === undefined || !/^[\w-]+(\.[\w-]+)+$/.test(name)) return null;
  const headers = { "content-type": type, "content-security-policy": policy, "cache-control": "no-cache" };
  try {
    return { status: 200, headers, body: await readFile(path.join(folder, name)) };
  } catch (error) {
    if (!(error instanceof Error && "code" in error && /^(ENOENT|ENOTDIR|EISDIR)$/.test(String(error.code)))) throw error;
    if (name !== "index.html") return message(404, "no such file");
    return {
      status: 503,
      headers: { "content-type": "text/plain; charset=utf-8" },
      body: `The inbox page is not built: ${folder} has no index.html. The API works without it.\n`,
    };
  }
}
