import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createBodyReader } from "../../../compose/basic/src/http/body.ts";

/** Answers with what became of the body; bodies are worked on until `finish` is called. */
let server: http.Server;
let received = 0;
let finish: (() => void)[] = [];

beforeEach(async () => {
  received = 0;
  finish = [];
  const read = createBodyReader({ each: 10, together: 20 });
  server = http.createServer((request, response) => {
    request.on("data", (chunk: Buffer) => (received += chunk.length));
    read(request).then(
      (got) => {
        response.end(got.ok ? got.body.toString() : got.reason);
        if (got.ok) finish.push(got.release);
      },
      () => {},
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function upload() {
  const { port } = server.address() as AddressInfo;
  const request = http.request({ host: "127.0.0.1", port, method: "POST", agent: false });
  const answer = once(request, "response").then(async ([response]) => {
    let text = "";
    for await (const chunk of response as http.IncomingMessage) text += String(chunk);
    return text;
  });
  answer.catch(() => {});
  request.on("error", () => {});
  return { request, answer };
}

/** Sends and waits until it has arrived. */
async function send({ request }: ReturnType<typeof upload>, text: string): Promise<void> {
  const expected = received + text.length;
  request.write(text);
  await vi.waitFor(() => expect(received).toBe(expected));
}

test("when the allowance is used up, what has been coming for the longest is given up for what comes", async () => {
  const [first, second, third] = [upload(), upload(), upload()];
  await send(first, "first....");
  await send(second, "second...");
  await send(third, "third....");
  third.request.end();
  expect(await third.answer).toBe("third....");
  second.request.end("2");
  expect(await second.answer).toBe("second...2");
  first.request.end("1");
  expect(await first.answer).toBe("too many");
});

test("what is being worked on is not given up", async () => {
  const [first, second, third] = [upload(), upload(), upload()];
  first.request.end("first.....");
  second.request.end("second....");
  await Promise.all([first.answer, second.answer]);
  third.request.end("third");
  expect(await third.answer).toBe("too many");
  for (const release of finish) release();
  const fourth = upload();
  fourth.request.end("fourth");
  expect(await fourth.answer).toBe("fourth");
});

test("a body that is too large, and one whose client goes away, leave the allowance as it was", async () => {
  const large = upload();
  large.request.end("01234567890");
  expect(await large.answer).toBe("too large");
  const gone = upload();
  await send(gone, "gone");
  gone.request.destroy();
  const [first, second] = [upload(), upload()];
  first.request.end("0123456789");
  second.request.end("0123456789");
  expect(await Promise.all([first.answer, second.answer])).toEqual(["0123456789", "0123456789"]);
});
