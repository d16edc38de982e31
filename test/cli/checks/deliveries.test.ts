import { expect, test } from "vitest";
import { explainDeliveries } from "../../../cli/checks/deliveries.ts";

const health = { deliveries: 3, rejectedSignatures: 0, waiting: [], broken: [], kinds: {}, lastTestAt: null };
const words = (...given: Parameters<typeof explainDeliveries>) =>
  explainDeliveries(...given)
    .map(({ message }) => message)
    .join(" ");

test.each([
  ["a wrong app secret", { ...health, rejectedSignatures: 216 }, 216, /216 webhooks were refused \(401\).*app secret/],
  ["a wrong verify token", health, 2, /2 requests were refused.*verify token/],
  [
    "a page that is not connected",
    { ...health, waiting: [{ source: "facebook", source_channel_id: "7", deliveries: 4 }] },
    0,
    /4 webhooks wait for facebook 7, which is not connected/,
  ],
  [
    "a dead token",
    { ...health, broken: [{ source: "facebook", source_channel_id: "7", name: "Shop", reason: "Session has expired" }] },
    0,
    /refuses the token of facebook Shop: Session has expired/,
  ],
  ["an enforcement", { ...health, kinds: { policy_enforcement: 1 } }, 0, /Facebook took action against a page/],
  ["silence", { ...health, deliveries: 0 }, 0, /Before the app is published only people with a role/],
  ["all well", health, 0, /^3 webhooks arrived since the start, none was refused/],
])("%s is told apart", (_, given, refused, text) => {
  expect(words(given, refused, false)).toMatch(text);
});
