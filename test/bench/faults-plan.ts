/** The faults, each with what it does to its stage while the sender sends. */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { MetaSender } from "../support/meta-sender.ts";
import { judge, missing, type Verdict } from "./faults-judge.ts";
import type { Part } from "./faults-part.ts";
import { openStage, type Bundle, type Stage, type StageOptions } from "./faults-stage.ts";

export interface Pace {
  webhooks: number;
  /** A second. */
  rate: number;
  /** Each sends one at a time. */
  lanes: number;
  /** Stands in for the durations of the faults: 1 is the full length. */
  haste: number;
}

export const FULL: Pace = { webhooks: 10_000, rate: 200, lanes: 4, haste: 1 };
export const QUICK: Pace = { webhooks: 400, rate: 200, lanes: 4, haste: 0.1 };

export interface Fault {
  name: string;
  stage: StageOptions;
  /** So many webhooks may be lost: it damages the disk. */
  mayLose?: number;
  /** What happens while the sender sends. `part` waits for a share of all acknowledgements. */
  run(stage: Stage, sender: MetaSender, pace: Pace, part: (share: number) => Promise<void>): Promise<void>;
}

const HOUR = 3_600_000;
const DEADLINE_MS = 180_000;
/** A drain in which nothing arrives for so long is not going on any more (the longest wait between two attempts is 30 s). */
const STALLED_MS = 45_000;

/** Sends, does the fault, waits until all that was acknowledged has arrived or nothing moves any more, and judges. */
export async function runFault(bundle: Bundle, fault: Fault, pace: Pace, note: (line: string) => void): Promise<Verdict> {
  const stage = await openStage(bundle, fault.stage);
  let sender: MetaSender | null = null;
  try {
    const sending = stage.send({ count: pace.webhooks, rate: pace.rate, lanes: pace.lanes });
    sender = sending;
    await fault.run(stage, sending, pace, (share) => sending.reached(Math.floor(share * pace.webhooks)));
    const late = setTimeout(() => sending.stop(), DEADLINE_MS);
    await sending.ended;
    clearTimeout(late);
    await drained(stage, sending, fault.mayLose ?? 0);
    // A repeat that is still under way counts as well.
    await wait(500);
    const arrivals = await stage.arrivals();
    const verdict = judge(sending, arrivals, pace.lanes);
    const refusals = [...sending.refusals].map(([what, count]) => `${count}x ${what}`).join(", ");
    if (refusals !== "") note(`${fault.name}: not 200 at first: ${refusals}`);
    if (verdict.lost > (fault.mayLose ?? 0) || verdict.outOfOrder > 0 || verdict.unexplained > 0)
      note(`${fault.name}: missing ${missing(sending, arrivals).slice(0, 10).join(" ")}\n${stage.tails()}`);
    return verdict;
  } catch (error) {
    throw new Error(`${fault.name}: ${(error as Error).message}\n${stage.tails()}`, { cause: error });
  } finally {
    sender?.stop();
    await stage.close();
  }
}

async function drained(stage: Stage, sender: MetaSender, mayLose: number): Promise<void> {
  let count = -1;
  for (let movedAt = Date.now(); Date.now() - movedAt < STALLED_MS; await wait(200)) {
    const arrivals = await stage.arrivals();
    if (missing(sender, arrivals).length <= mayLose) return;
    if (arrivals.length !== count) movedAt = Date.now();
    count = arrivals.length;
  }
}

/** Kills without warning, and starts again after a while. */
async function crash(parts: readonly Part[], downMs: number): Promise<void> {
  await Promise.all(parts.map((part) => part.end("SIGKILL")));
  await wait(downMs);
  await Promise.all(parts.map((part) => part.start()));
}

const receiver: StageOptions = { service: "receiver" };
const platform: StageOptions = { service: "platform" };

export const faults: readonly Fault[] = [
  { name: "none", stage: receiver, run: async () => {} },
  {
    name: "agent killed",
    stage: receiver,
    run: async ({ agent }, _sender, { haste }, part) => {
      for (const share of [0.2, 0.45, 0.7]) {
        await part(share);
        await crash([agent], 1_000 + 2_000 * Math.random() * haste);
      }
    },
  },
  {
    name: "agent taken over by another",
    stage: receiver,
    run: async ({ agent, successor }, _sender, _pace, part) => {
      for (const share of [0.2, 0.4, 0.6, 0.8]) {
        await part(share);
        const [next, last] = agent.alive ? [successor, agent] : [agent, successor];
        await next.start();
        await last.ended();
      }
    },
  },
  {
    name: "edge killed",
    stage: receiver,
    run: async ({ edge }, _sender, { haste }, part) => {
      for (const share of [0.2, 0.45, 0.7]) {
        await part(share);
        await crash([edge], 100 + 3_000 * Math.random() * haste);
      }
    },
  },
  {
    name: "edge killed in the middle of a drain",
    stage: { service: "receiver", takesMs: 3 },
    run: async (stage, sender, _pace, part) => {
      await part(0.1);
      await stage.agent.end("SIGKILL");
      await part(0.6);
      await stage.agent.start();
      for (let round = 0; round < 2; round += 1) {
        await moreArrivals(stage, 100);
        if (missing(sender, await stage.arrivals()).length === 0) throw new Error("the drain was over before the edge was killed");
        await crash([stage.edge], 200);
      }
    },
  },
  {
    name: "edge restarted (SIGTERM)",
    stage: receiver,
    run: async ({ edge }, _sender, _pace, part) => {
      for (const share of [0.2, 0.45, 0.7]) {
        await part(share);
        await edge.end("SIGTERM");
        await edge.start();
      }
    },
  },
  {
    name: "edge restarted in the middle of a drain",
    stage: { service: "receiver", takesMs: 3 },
    run: async (stage, sender, _pace, part) => {
      await part(0.1);
      await stage.agent.end("SIGKILL");
      await part(0.6);
      await stage.agent.start();
      await moreArrivals(stage, 50);
      if (missing(sender, await stage.arrivals()).length === 0) throw new Error("the drain was over before the edge was stopped");
      await stage.edge.end("SIGTERM");
      await stage.edge.start();
    },
  },
  {
    name: "agent stopped (SIGSTOP)",
    stage: receiver,
    run: async ({ agent }, _sender, { haste }, part) => {
      await part(0.2);
      agent.signal("SIGSTOP");
      await wait(60_000 * haste);
      agent.signal("SIGCONT");
    },
  },
  {
    name: "edge stopped (SIGSTOP)",
    stage: receiver,
    run: async ({ edge }, _sender, { haste }, part) => {
      await part(0.2);
      edge.signal("SIGSTOP");
      await wait(Math.max(6_000, 20_000 * haste));
      edge.signal("SIGCONT");
    },
  },
  {
    name: "link black-holed",
    stage: { service: "receiver", link: "droppable" },
    run: async (stage, _sender, { haste }, part) => {
      await part(0.2);
      await stage.hole(true);
      await wait(Math.max(4_000, 10_000 * haste));
      await stage.hole(false);
    },
  },
  {
    name: "service down",
    stage: receiver,
    run: async ({ service }, _sender, { haste }, part) => {
      await part(0.2);
      await crash([service], 20_000 * haste);
    },
  },
  { name: "service flaky", stage: { service: "receiver", wrong: 0.05 }, run: async () => {} },
  {
    name: "service frozen",
    stage: receiver,
    run: async ({ service }, _sender, { haste }, part) => {
      await part(0.2);
      service.signal("SIGSTOP");
      await wait(Math.max(3_500, 20_000 * haste));
      service.signal("SIGCONT");
    },
  },
  {
    name: "service answers 500, then 502, in mid-drain",
    stage: { service: "receiver", takesMs: 3 },
    run: async (stage, sender, { haste }, part) => {
      await part(0.1);
      await stage.agent.end("SIGKILL");
      await part(0.6);
      await stage.agent.start();
      await moreArrivals(stage, 50);
      if (missing(sender, await stage.arrivals()).length === 0) throw new Error("the drain was over before the service failed");
      for (let mood = 0; mood < 3; mood += 1) {
        stage.service.signal("SIGUSR2");
        if (mood < 2) await wait(Math.max(3_000, 30_000 * haste));
      }
    },
  },
  {
    name: "live webhooks while a backlog drains",
    stage: { service: "receiver", takesMs: 8 },
    run: async (stage, sender, _pace, part) => {
      await part(0.05);
      await stage.agent.end("SIGKILL");
      await part(0.5);
      await stage.agent.start();
      await part(0.7);
      if (missing(sender, await stage.arrivals()).length === 0) throw new Error("the drain was over before more was sent");
    },
  },
  {
    name: "1,000 forgeries in front",
    stage: receiver,
    run: async ({ agent, forge }, _sender, _pace, part) => {
      await part(0.2);
      await agent.end("SIGKILL");
      await forge(1_000);
      await part(0.5);
      await agent.start();
    },
  },
  {
    name: "a bit flipped in the log of the edge",
    stage: receiver,
    mayLose: 1,
    run: async ({ agent, edge, dataDir }, _sender, _pace, part) => {
      await part(0.2);
      await agent.end("SIGKILL");
      await part(0.5);
      await edge.end("SIGKILL");
      await flipBit(path.join(dataDir, "hold"));
      await edge.start();
      if (!/damage/i.test(edge.tail)) throw new Error("the edge says nothing of the damage");
      await agent.start();
    },
  },
  {
    name: "agent asleep for longer than its session",
    stage: receiver,
    run: async ({ agent, edge }, _sender, { haste }, part) => {
      await part(0.2);
      agent.signal("SIGSTOP");
      await said(edge, "lost");
      await wait(30_000 * haste);
      agent.signal("SIGCONT");
    },
  },
  {
    name: "all killed at once",
    stage: receiver,
    run: async ({ edge, agent, service }, _sender, _pace, part) => {
      await part(0.4);
      await crash([edge, service, agent], 500);
    },
  },
  {
    name: "platform killed",
    stage: platform,
    run: async ({ service }, _sender, { haste }, part) => {
      for (const share of haste < 1 ? [0.4] : [0.2, 0.45, 0.7]) {
        await part(share);
        await crash([service], 1_000 + 2_000 * haste);
      }
    },
  },
  {
    name: "database killed",
    stage: platform,
    run: async (stage, _sender, { haste }, part) => {
      for (const share of haste < 1 ? [0.4] : [0.2, 0.45, 0.7]) {
        await part(share);
        await stage.platform?.killDatabase();
        await wait(1_000 + 2_000 * haste);
        await stage.platform?.startDatabase();
      }
    },
  },
  {
    name: "disk of the edge full",
    stage: { service: "receiver", diskMb: 48, padding: 20_000 },
    run: async (stage, sender, _pace, part) => {
      const filler = path.join(stage.dataDir, "filler");
      await part(0.2);
      await stage.agent.end("SIGKILL");
      await sender.reached(sender.acknowledged() + 20);
      await writeFile(filler, Buffer.alloc(48 * 1024 * 1024)).catch(() => {});
      await refusing(sender);
      const before = sender.acknowledged();
      await wait(1_500);
      if (sender.acknowledged() > before) throw new Error("webhooks were acknowledged while the disk was full");
      await rm(filler);
      await sender.reached(before + 20);
      await stage.agent.start();
    },
  },
  {
    name: "clock jumps",
    stage: { service: "receiver", jumps: [48 * HOUR, -90 * HOUR] },
    run: async ({ edge, agent }, _sender, _pace, part) => {
      await part(0.1);
      await agent.end("SIGKILL");
      await part(0.3);
      edge.signal("SIGUSR2");
      await part(0.4);
      await agent.start();
      await part(0.6);
      for (const one of [edge, agent]) one.signal("SIGUSR2");
      await part(0.7);
      await crash([edge], 200);
    },
  },
];

/** Until so many more have arrived than now. */
async function moreArrivals(stage: Stage, more: number): Promise<void> {
  const target = (await stage.arrivals()).length + more;
  for (const end = Date.now() + 30_000; Date.now() < end; await wait(10)) if ((await stage.arrivals()).length >= target) return;
  throw new Error("nothing is delivered");
}

/** In the body of a webhook in the middle of the newest segment. */
async function flipBit(folder: string): Promise<void> {
  const newest =
    (await readdir(folder))
      .filter((name) => name.endsWith(".log"))
      .toSorted()
      .at(-1) ?? "";
  const bytes = await readFile(path.join(folder, newest));
  const bodies = [...bytes.toString("latin1").matchAll(/"mid":"m_/g)];
  const at = bodies[Math.floor(bodies.length / 2)]?.index;
  if (at === undefined) throw new Error("no webhook is in the newest segment");
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path.join(folder, newest), bytes);
}

/** Until it has said this. */
async function said(part: Part, text: string): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await wait(50)) if (part.tail.includes(text)) return;
  throw new Error(`nothing was said of "${text}"`);
}

/** Until the edge has answered 503 to every lane's webhook, and nothing is acknowledged for a moment. */
async function refusing(sender: MetaSender): Promise<void> {
  let acknowledged = -1;
  for (const end = Date.now() + 60_000; Date.now() < end; await wait(400)) {
    if ((sender.refusals.get("503") ?? 0) > 3 && sender.acknowledged() === acknowledged) return;
    acknowledged = sender.acknowledged();
  }
  throw new Error("the edge goes on to acknowledge");
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
