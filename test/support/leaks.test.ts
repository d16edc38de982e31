import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { expect, test } from "vitest";
import { openLeakScope } from "./leaks.ts";

test("finds processes, ports and temporary files, and nothing once they are gone", async () => {
  const scope = await openLeakScope("leaks");
  expect(await scope.leaks()).toEqual([]);

  const script = "const s = require('net').createServer().listen(0, '127.0.0.1', () => console.log('up'))";
  const child = spawn(process.execPath, ["-e", script], { cwd: scope.workspace, stdio: ["ignore", "pipe", "inherit"] });
  const marked = spawn("sleep", ["600"], { env: { TMPDIR: scope.tmp, PATH: process.env.PATH }, stdio: "ignore" });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  await writeFile(path.join(scope.tmp, "left"), "");

  const left = await scope.leaks();
  expect(left).toEqual(
    expect.arrayContaining([
      expect.stringMatching(new RegExp(`^process ${child.pid}: `)),
      expect.stringMatching(new RegExp(`^process ${marked.pid}: sleep 600`)),
      expect.stringMatching(new RegExp(`^port \\d+ of process ${child.pid}$`)),
      expect.stringMatching(/^port \d+ of the test itself$/),
      "temporary file left",
    ]),
  );
  expect(left).toHaveLength(5);

  for (const process of [child, marked]) process.kill();
  await new Promise((resolve) => server.close(resolve));
  await writeFile(path.join(scope.root, "elsewhere"), "");
  expect(await scope.settled(2000)).toEqual(["temporary file left"]);
  await scope.close();
});
