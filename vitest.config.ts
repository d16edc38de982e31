import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Tests start real servers, databases and browsers; two workers fit the two-core machines they run on.
    pool: "forks",
    maxWorkers: 2,
  },
});
