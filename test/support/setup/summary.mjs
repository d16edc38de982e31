// Prints the last line of test/run from vitest's JSON report, and exits 0 only when nothing failed.
//   node summary.mjs REPORT passed|failed passed|failed     (`npm run check`, the exit code of vitest)
import { readFileSync } from "node:fs";

const [file, check, tests] = process.argv.slice(2);
const count = { passed: 0, failed: 0, skipped: 0 };
let report = null;
try {
  report = JSON.parse(readFileSync(file, "utf8"));
} catch (error) {
  console.error(`There is no report of vitest: ${error.message}`);
}
for (const suite of report?.testResults ?? []) {
  for (const test of suite.assertionResults) count[test.status in count ? test.status : "skipped"] += 1;
  // A file that could not be loaded, or whose hooks failed, has no failed test of its own.
  if (suite.status === "failed" && !suite.assertionResults.some((test) => test.status === "failed")) {
    console.error(`Failed as a whole: ${suite.name}`);
    count.failed += 1;
  }
}
if (tests !== "passed" && count.failed === 0) {
  console.error("vitest failed outside of any test; see its output above.");
  count.failed += 1;
}
if (tests === "passed" && count.passed === 0) {
  console.error("No test was run.");
  count.failed += 1;
}
if (check === "passed") count.passed += 1;
else {
  console.error("npm run check failed; see its output above.");
  count.failed += 1;
}
console.log(`${count.passed} passed, ${count.failed} failed${count.skipped ? `, ${count.skipped} skipped` : ""}`);
process.exitCode = count.failed === 0 ? 0 : 1;
