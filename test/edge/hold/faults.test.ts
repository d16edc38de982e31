import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { everything } from "./everything.ts";
import { openHoldStore, type LocalHoldStore } from "../../../edge/hold/store.ts";
import { buildStoreProgram, startStore, type StoreProcess } from "./process.ts";

const canPreload = process.platform === "linux" && works("gcc", ["--version"]);
const canMount = process.platform === "linux" && process.getuid?.() === 0 && canMountTmpfs();
if (!canPreload) console.warn("SKIPPED: failing and hanging syncs (needs Linux and gcc)");
if (!canMount) console.warn("SKIPPED: full disk (needs Linux, root and the right to mount)");

let work: string;
let program: { file: string; dispose: () => void };
let dir: string;

beforeAll(async () => {
  work = mkdtempSync(path.join(tmpdir(), "airy-faults-"));
  program = await buildStoreProgram();
  if (canPreload)
    execFileSync("gcc", [
      "-shared",
      "-fPIC",
      "-O1",
      "-o",
      path.join(work, "faults.so"),
      path.join(import.meta.dirname, "faults.c"),
      "-ldl",
    ]);
});
afterAll(() => {
  program.dispose();
  rmSync(work, { recursive: true });
});
beforeEach(() => {
  dir = mkdtempSync(path.join(work, "data-"));
  mkdirSync(path.join(dir, "faults"));
});

describe.skipIf(!canPreload)("a disk that does not sync", () => {
  let store: StoreProcess;

  const fault = (name: string) => path.join(dir, "faults", name);
  const begin = (name: string) => writeFileSync(fault(name), "");
  const end = (name: string) => rmSync(fault(name));
  const syncs = () => (existsSync(fault("syncs")) ? statSync(fault("syncs")).size : 0);
  const append = (id: string) => store.ask({ what: "append", identifier: "anna", id });
  const list = async () => (await store.ask({ what: "list", identifier: "anna" })).result;
  const start = () => startStore(program.file, dir, [], { LD_PRELOAD: path.join(work, "faults.so"), FAULTS: path.join(dir, "faults") });
  const untilStored = async (id: string) => {
    while (!(await append(id)).ok);
  };
  const listAfterKill = async () => {
    store.child.kill("SIGKILL");
    await store.exited;
    store = start();
    return list();
  };

  beforeEach(() => {
    store = start();
  });
  afterEach(async () => {
    store.child.kill("SIGKILL");
    await store.exited;
  });

  it("is synced before anything is acknowledged, once for many at the same time", async () => {
    expect(await append("first")).toMatchObject({ ok: true });
    let before = syncs();
    for (const id of ["a", "b", "c"]) {
      expect(await append(id)).toMatchObject({ ok: true });
      expect(syncs()).toBeGreaterThan(before);
      before = syncs();
    }
    expect(await store.ask({ what: "remove", identifier: "anna", id: "a" })).toMatchObject({ ok: true });
    expect(syncs()).toBeGreaterThan(before);
    before = syncs();
    await Promise.all(Array.from({ length: 200 }, (_, i) => append(`many${i}`)));
    expect(syncs() - before).toBeLessThan(100);
  });

  it("acknowledges nothing while the sync hangs, refuses in time, and holds nothing of that afterwards", async () => {
    await append("before");
    begin("sync-hangs");
    let settled = 0;
    const refused = ["a", "b", "c"].map(async (id) => {
      const answer = await append(id);
      settled++;
      return answer;
    });
    // Another command is answered in the meantime: the process does not hang.
    expect(await list()).toEqual(["before"]);
    expect(settled).toBe(0);
    for (const answer of await Promise.all(refused)) expect(answer).toEqual({ ok: false, code: "HOLD_IO" });
    expect(await store.ask({ what: "stats", identifier: "anna" })).toMatchObject({ result: { entries: 1 } });
    end("sync-hangs");
    await untilStored("after");
    expect(await list()).toEqual(["before", "after"]);
    expect(await listAfterKill()).toEqual(["before", "after"]);
  });

  it("refuses while syncs fail, works again afterwards, and what was refused does not come back", async () => {
    const name = "sync-fails";
    await append("before");
    begin(name);
    for (const id of ["a", "b"]) expect(await append(id)).toEqual({ ok: false, code: "HOLD_IO" });
    expect(await Promise.all(["c", "d"].map(append))).toEqual([
      { ok: false, code: "HOLD_IO" },
      { ok: false, code: "HOLD_IO" },
    ]);
    end(name);
    await untilStored("after");
    expect(await list()).toEqual(["before", "after"]);
    expect(await listAfterKill()).toEqual(["before", "after"]);
    expect(await append("a")).toMatchObject({ ok: true });
    expect(await listAfterKill()).toEqual(["before", "after", "a"]);
  });

  it("catches up with what was removed while syncs failed", async () => {
    const name = "sync-fails";
    for (const id of ["a", "b", "c", "d"]) await append(id);
    begin(name);
    expect(await store.ask({ what: "remove", identifier: "anna", id: "a" })).toEqual({ ok: false, code: "HOLD_IO" });
    expect(await store.ask({ what: "dead", identifier: "anna", id: "b" })).toEqual({ ok: false, code: "HOLD_IO" });
    end(name);
    await untilStored("after");
    expect(await list()).toEqual(["c", "d", "after"]);
    expect(await listAfterKill()).toEqual(["c", "d", "after"]);
    expect(await store.ask({ what: "stats", identifier: "anna" })).toMatchObject({ result: { entries: 3, dead: 1 } });
  });

  it("can be closed while the sync hangs", async () => {
    await append("before");
    begin("sync-hangs");
    void append("a").catch(() => {});
    expect(await store.ask({ what: "close" })).toMatchObject({ ok: true });
  });
});

describe.skipIf(!canMount)("a full disk", () => {
  let disk: string;
  let store: LocalHoldStore;

  beforeEach(() => {
    disk = path.join(dir, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", disk]);
  });
  afterEach(async () => {
    await store.close();
    execFileSync("umount", [disk]);
  });

  const webhook = (size: number, source: string) => ({ rawHead: Buffer.from("x"), body: Buffer.alloc(size, 1), source, receivedAt: 0 });

  it("refuses with HOLD_IO, keeps what it acknowledged, and takes more once something was delivered", async () => {
    store = openHoldStore({ dataDir: disk });
    const stored: string[] = [];
    const errors: { code: string }[] = [];
    for (let i = 0; errors.length < 5; i++) {
      const id = store.newDeliveryId();
      const size = errors.length === 0 ? 50_000 : 4000;
      const error = await failure(store.append("anna", id, webhook(size, `${i}`)));
      if (error) errors.push(error);
      else stored.push(id);
    }
    expect(errors.map((error) => error.code)).toEqual(Array.from({ length: 5 }, () => "HOLD_IO"));
    expect(stored.length).toBeGreaterThan(120);
    expect(store.stats("anna").entries).toBe(stored.length);
    await store.close();
    store = openHoldStore({ dataDir: disk });
    expect((await everything(store, "anna")).map((entry) => entry.deliveryId)).toEqual(stored);

    for (const id of stored.splice(0, 80)) await store.remove("anna", id);
    for (let i = 0; i < 10; i++) {
      const id = store.newDeliveryId();
      await store.append("anna", id, webhook(50_000, `again${i}`));
      stored.push(id);
    }
    await store.close();
    store = openHoldStore({ dataDir: disk });
    expect((await everything(store, "anna")).map((entry) => entry.deliveryId)).toEqual(stored);
  });

  it("drains completely although nothing can be added", async () => {
    store = openHoldStore({ dataDir: disk });
    writeFileSync(path.join(disk, "ballast"), Buffer.alloc(6_000_000));
    for (let i = 0; ; i++) if (await failure(store.append("anna", store.newDeliveryId(), webhook(3000, `${i}`)))) break;
    expect(store.stats("anna").entries).toBeGreaterThan(100);
    await Promise.all((await everything(store, "anna")).map((entry) => store.remove("anna", entry.deliveryId)));
    expect(store.names()).toEqual([]);
    await store.close();
    store = openHoldStore({ dataDir: disk });
    expect(store.names()).toEqual([]);
  });

  it("begins a store that stores nothing until there is room", async () => {
    fill(path.join(disk, "ballast"));
    store = openHoldStore({ dataDir: disk });
    const webhook = { rawHead: Buffer.from("head"), body: Buffer.alloc(100), source: "x", receivedAt: Date.now() };
    const first = store.newDeliveryId();
    expect(await failure(store.append("anna", first, webhook))).toMatchObject({ code: "HOLD_IO" });
    rmSync(path.join(disk, "ballast"));
    const second = store.newDeliveryId();
    await store.append("anna", second, webhook);
    await store.close();
    fill(path.join(disk, "ballast"));
    store = openHoldStore({ dataDir: disk });
    expect(await store.peek("anna", 0, 9)).toMatchObject([{ deliveryId: second }]);
  });
});

async function failure(promise: Promise<unknown>): Promise<{ code: string } | null> {
  try {
    await promise;
    return null;
  } catch (error) {
    return error as { code: string };
  }
}

/** Until nothing more can be written. */
function fill(file: string): void {
  const fd = openSync(file, "w");
  for (const size of [65_536, 4096, 1]) {
    try {
      while (writeSync(fd, Buffer.alloc(size)) === size);
    } catch {
      continue;
    }
  }
  closeSync(fd);
}

function works(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function canMountTmpfs(): boolean {
  const at = mkdtempSync(path.join(tmpdir(), "airy-mount-"));
  const mounted = works("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", at]);
  if (mounted) execFileSync("umount", [at]);
  rmSync(at, { recursive: true });
  return mounted;
}
