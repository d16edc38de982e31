import os from "node:os";
import path from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [
    {
      // As esbuild's text loader does in build.mjs.
      name: "text",
      enforce: "pre",
      transform: (code, id) => (/\.(yaml|html|conf|txt)$/.test(id) ? `export default ${JSON.stringify(code)};` : undefined),
    },
  ],
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    // Marks of workspaces go here, and not into the home of whoever runs the tests.
    // Neither do secrets go into their keyring.
    env: { XDG_STATE_HOME: path.join(os.tmpdir(), `airy-test-state-${os.userInfo().uid}`), AIRY_NO_KEYRING: "1" },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Tests start real servers, databases and browsers; two workers fit the two-core machines they run on.
    pool: "forks",
    maxWorkers: 2,
  },
});
