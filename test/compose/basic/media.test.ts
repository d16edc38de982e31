/** `GET /media`: what of the world outside the platform fetches for the inbox page, and what it does not. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { airyId } from "../../../compose/basic/src/ids.ts";
import { publicLookup, reachable } from "../../../compose/basic/src/media/reach.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { delivery, pageId, startTestPlatform, type TestPlatform } from "./fixture.ts";

const standIn = new URL("http://facebook:4000");

describe("an address", () => {
  test.each([
    ["https://scontent.example/v/a.png?x=1", "https://scontent.example/v/a.png?x=1"],
    ["http://scontent.example/a.png", null],
    ["https://scontent.example:8443/a.png", null],
    ["https://user:secret@scontent.example/a.png", null],
    ["https://127.0.0.1/a.png", null],
    ["https://10.1.2.3/a.png", null],
    ["https://169.254.169.254/latest/meta-data", null],
    ["https://[::1]/a.png", null],
    ["https://[::ffff:10.0.0.1]/a.png", null],
    ["https://[::ffff:8.8.8.8]/a.png", "https://[::ffff:808:808]/a.png"],
    ["https://[2a00:1450:4001::1]/a.png", "https://[2a00:1450:4001::1]/a.png"],
    ["https://[fd00::1]/a.png", null],
    ["https://2130706433/a.png", null],
    ["https://8.8.8.8/a.png", "https://8.8.8.8/a.png"],
    ["file:///etc/passwd", null],
    ["javascript:alert(1)", null],
  ])("%s leads to %s", (address, expected) => {
    expect(reachable(address, null)?.url.href ?? null).toBe(expected);
  });

  test("of a stand-in is reached where its Graph API is, and nothing else on this machine is", () => {
    expect(reachable("http://127.0.0.1:4292/pictures/1.svg", standIn)).toMatchObject({
      url: new URL("http://facebook:4000/pictures/1.svg"),
    });
    expect(reachable("http://localhost:5432/", standIn)?.url.origin).toBe(standIn.origin);
    expect(reachable("http://10.0.0.1/a.png", standIn)).toBeNull();
  });

  test("whose name leads to this machine is not found", async () => {
    const error = await new Promise((resolve) => publicLookup("localhost", { all: true }, (failed) => resolve(failed)));
    expect(String(error)).toContain("not on the public internet");
  });
});

describe("GET /media", () => {
  let postgres: TestPostgres;
  let platform: TestPlatform;
  let pictures: http.Server;
  const asked: { url: string; range: string | undefined }[] = [];
  const conversation = airyId(airyId("facebook", pageId), "2002");
  let held: string;
  let message: string;

  beforeAll(async () => {
    pictures = http.createServer((request, response) => {
      // Its Graph API is asked for names as well.
      if (!request.url?.startsWith("/v")) asked.push({ url: request.url ?? "", range: request.headers.range });
      if (request.url === "/me") return void response.writeHead(302, { location: "https://10.0.0.1/inside.png" }).end();
      const type = request.url?.endsWith(".html") ? "text/html" : "image/png";
      response.writeHead(request.headers.range ? 206 : 200, { "content-type": type, "set-cookie": "a=b" }).end("PNG");
    });
    await new Promise<void>((resolve) => pictures.listen(0, "127.0.0.1", resolve));
    postgres = await startPostgres({ sync: false });
    platform = await startTestPlatform(await postgres.createDatabase());
    await platform.connect();
    await platform.restart({
      facebook: { appId: "1234567890123456", appSecret: "test_app_secret", verifyToken: "v", graphUrl: urlOf(pictures) },
    });
    held = `${urlOf(pictures)}/a.png`;
    const attachments = ["/a.png", "/page.html", "/me"].map((path) => ({ type: "image", payload: { url: `${urlOf(pictures)}${path}` } }));
    const item = { sender: { id: "2002" }, recipient: { id: pageId }, timestamp: 1_700_000_000_000, message: { mid: "m", attachments } };
    expect((await platform.deliver(delivery([item]))).status).toBe(200);
    message = (await platform.call("/messages.list", { conversation_id: conversation })).json.data[0].id;
  });
  afterAll(async () => {
    await platform.close();
    await Promise.all([postgres.close(), new Promise((resolve) => pictures.close(resolve).closeAllConnections())]);
  });

  const get = (query: Record<string, string>, headers: Record<string, string> = {}) =>
    platform.request("GET", `/media?${new URLSearchParams(query).toString()}`, undefined, headers);

  test("answers what the message holds, without what the source adds, and so that nothing in it can run", async () => {
    const answer = await get({ message, url: held }, { range: "bytes=0-1" });
    expect(answer).toMatchObject({
      status: 206,
      text: "PNG",
      headers: { "content-type": "image/png", "x-content-type-options": "nosniff" },
    });
    expect(answer.headers["content-security-policy"]).toContain("sandbox");
    expect(answer.headers["set-cookie"]).toBeUndefined();
    expect(asked).toEqual([{ url: "/a.png", range: "bytes=0-1" }]);
  });

  test("asks nobody for what nothing holds, and nothing for another site", async () => {
    asked.length = 0;
    const answers = [
      await get({ message, url: `${held}?other` }),
      await get({ conversation, url: held }),
      await get({ message: conversation, url: held }),
      await get({ url: held }),
      await get({ message: "x", url: held }),
      await get({ message, url: held }, { "sec-fetch-site": "cross-site" }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404, 404]);
    expect(asked).toEqual([]);
  });

  test("passes on neither what is no picture nor what a redirect leads to inside", async () => {
    expect((await get({ message, url: `${urlOf(pictures)}/page.html` })).status).toBe(404);
    expect(await get({ message, url: `${urlOf(pictures)}/me` })).toMatchObject({ status: 404 });
  });
});

function urlOf(server: http.Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
