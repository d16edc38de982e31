/** What was registered before this workspace, in a file of its state folder. */
import { z } from "zod";
import { readText, writeAtomic } from "../io/files.ts";
import type { Lease, Previous } from "./source.ts";

const fileSchema = z.object({
  version: z.literal(1),
  previous: z.array(
    z.object({
      /** The app, number or account that this is of. */
      account: z.string(),
      object: z.string(),
      callbackUrl: z.string().nullable(),
      fields: z.array(z.string()),
      at: z.string(),
    }),
  ),
  /** Accounts whose webhooks were given back on purpose. */
  released: z.array(z.string()).default([]),
});

type Kept = Omit<z.output<typeof fileSchema>, "version">;

/** @param account the app whose webhooks these are: another app's are another matter. */
export function fileLease(file: string, account: string): Lease {
  const ours = (each: { account: string; object: string }, object: string): boolean => each.account === account && each.object === object;
  return {
    async record(previous: Previous) {
      const kept = await read(file);
      // "Nothing" says less than an address that was there once.
      if (previous.callbackUrl === null && kept.previous.some((each) => ours(each, previous.object))) return;
      await write(file, { ...kept, previous: [...kept.previous.filter((each) => !ours(each, previous.object)), { account, ...previous }] });
    },
    async previous() {
      const mine = (await read(file)).previous.filter((each) => each.account === account);
      return mine.map(({ object, callbackUrl, fields, at }) => ({ object, callbackUrl, fields, at }));
    },
    async forget(object) {
      const kept = await read(file);
      await write(file, { ...kept, previous: kept.previous.filter((each) => !ours(each, object)) });
    },
    released: async () => (await read(file)).released.includes(account),
    async release(released) {
      const kept = await read(file);
      if (kept.released.includes(account) === released) return;
      const others = kept.released.filter((each) => each !== account);
      await write(file, { ...kept, released: released ? [...others, account] : others });
    },
  };
}

/** For whoever only looks. */
export const noLease: Lease = {
  record: async () => {},
  previous: async () => [],
  forget: async () => {},
  released: async () => false,
  release: async () => {},
};

const nothing: Kept = { previous: [], released: [] };

/** One that cannot be read counts as empty: it must not keep a start from happening. */
async function read(file: string): Promise<Kept> {
  const text = await readText(file);
  if (text === null) return nothing;
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    return nothing;
  }
}

async function write(file: string, { previous, released }: Kept): Promise<void> {
  await writeAtomic(file, `${JSON.stringify({ version: 1, previous, released }, null, 2)}\n`);
}
