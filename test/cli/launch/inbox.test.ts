import { expect, onTestFinished, test } from "vitest";
import { inboxOrigin } from "../../../cli/launch/inbox.ts";
import { createHttpClient } from "../../../cli/io/http.ts";
import type { StatusData } from "../../../cli/events.ts";
import { airy } from "../../support/airy.ts";
import { openLeakScope } from "../../support/leaks.ts";
import { rememberPorts } from "../../support/ports.ts";

const codespace = { CODESPACE_NAME: "Fluffy-Engine-x7", GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN: "app.github.dev" };

test.each([
  [undefined, {}, null],
  [undefined, codespace, "https://fluffy-engine-x7-4200.app.github.dev"],
  [undefined, { ...codespace, CODESPACE_NAME: "a b" }, null],
  [undefined, { ...codespace, GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN: "" }, null],
  ["https://inbox.example.com/", codespace, "https://inbox.example.com"],
  ["http://box:8080/inbox?x", {}, "http://box:8080"],
])("asked for %j in %j, the inbox is at %j", (asked, env, origin) => {
  expect(inboxOrigin(asked, env, 4200)).toBe(origin);
});

test.each(["inbox", "ftp://x", "https://*.example.com", ""])("%j is no address", (asked) => {
  expect(() => inboxOrigin(asked, {}, 4200)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("in a codespace the page works under the name that GitHub forwards, and under no other", { timeout: 120_000 }, async () => {
  const scope = await openLeakScope("codespace");
  onTestFinished(async () => {
    await airy(scope, ["destroy", "--yes"]);
    await scope.close();
  }, 60_000);
  await rememberPorts(scope.workspace);
  const up = await airy(scope, ["up", "--sandbox", "--yes", "--engine", "embedded"], codespace);
  const { platform } = up.envelope.data as StatusData;
  const name = `fluffy-engine-x7-${new URL(platform.url!).port}.app.github.dev`;
  expect(platform.inboxUrl).toBe(`https://${name}`);
  expect((await airy(scope, ["status"])).envelope.data).toMatchObject({ platform: { inboxUrl: `https://${name}` } });

  const answers: [number, Record<string, string>][] = [
    // Forwarded with the name that the browser used, or with ours.
    [200, { host: name }],
    [200, { host: name, origin: `https://${name}` }],
    [200, { host: "localhost", origin: `https://${name}` }],
    [403, { host: "evil.app.github.dev" }],
    [403, { host: name, origin: "https://evil.app.github.dev" }],
    [403, { host: "localhost", origin: "https://evil.app.github.dev" }],
  ];
  const seen = await Promise.all(
    answers.map(async ([, headers]) => {
      const request = { method: "POST", url: `${platform.url}/conversations.list`, body: "{}" };
      const { status } = await createHttpClient()({ ...request, headers: { ...headers, "content-type": "application/json" } });
      return [status, headers] as const;
    }),
  );
  expect(seen).toEqual(answers);
  expect(await airy(scope, ["destroy", "--yes"])).toMatchObject({ code: 0 });
  expect(await scope.settled()).toEqual([]);
});
