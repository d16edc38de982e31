/**
 * Who owns which name. A name belongs to the key that claimed it first, over restarts, and is not given to another key before it has been
 * out of use for 90 days: webhooks may still be sent to it. Everything is in memory for reading; a claim is on disk before it is answered.
 */
import path from "node:path";
import { z } from "zod";
import { EdgeError } from "../errors.ts";
import { steadyClock } from "../store/clock.ts";
import { openDurable, type Durable } from "../store/durable.ts";
import { faultInName } from "./grammar.ts";
import type { ClaimAnswer, NameChange, NameEntry, Names } from "./names.ts";
import { fingerprintOf, IDENTIFIER_LENGTH, identifierOf, LONGEST_IDENTIFIER } from "./identifier.ts";

const DAY = 24 * 60 * 60 * 1000;

/** A name that was last used so long ago may be claimed by another key. */
export const RECYCLE_AFTER_MS = 90 * DAY;

/** Names are kept for 90 days, so one key must not take them all. */
export const NAMES_PER_KEY = 20;

/** `lastSeen` on disk lags behind by at most this, so that connecting costs no write. */
const TOUCH_EVERY_MS = 60 * 60 * 1000;
const DEADLINE_MS = 5000;

const ClaimOnDisk = z.object({
  fingerprint: z.string(),
  claimedAt: z.number(),
  lastSeen: z.number(),
  reserved: z.literal(true).optional(),
});

/** Of a name that the operator gives to nobody. */
const NOBODY = "";

/** Times are milliseconds since 1970. */
export interface Claim {
  /** Of the key, as OpenSSH prints it; empty: nobody gets the name. */
  fingerprint: string;
  claimedAt: number;
  lastSeen: number;
  /** By the operator, until released. */
  reserved?: true | undefined;
}

/**
 * Opens the claims in `dataDir` (in the folder `names` inside it), which nobody else may have open. `now` gives milliseconds since 1970;
 * by default it does not jump when the clock is set. `onNewOwner` is called before a name goes to a key that did not have it. Throws
 * EDGE_DATA when it cannot be used or read.
 */
export function openClaims(
  dataDir: string,
  now: () => number = steadyClock(),
  onNewOwner: (name: string) => Promise<unknown> = () => Promise.resolve(),
): Claims {
  const durable = openDurable({
    dir: path.join(dataDir, "names"),
    corrupt: "EDGE_DATA",
    failed: "EDGE_DATA",
    deadlineMs: DEADLINE_MS,
  });
  try {
    return new Claims(durable, now, onNewOwner);
  } catch (error) {
    void durable.close();
    throw error;
  }
}

export class Claims implements Names {
  readonly #durable: Durable;
  readonly #now: () => number;
  readonly #onNewOwner: (name: string) => Promise<unknown>;
  readonly #claims = new Map<string, Claim>();
  /** How many names each key has, those being written included. */
  readonly #perKey = new Map<string, number>();
  /** Being written; nobody else gets these, and nobody is told that they exist. */
  readonly #pending = new Map<string, { fingerprint: string; written: Promise<void> }>();
  /** `lastSeen` as it is on disk. */
  readonly #writtenSeen = new Map<string, number>();

  constructor(durable: Durable, now: () => number, onNewOwner: (name: string) => Promise<unknown>) {
    this.#durable = durable;
    this.#now = now;
    this.#onNewOwner = onNewOwner;
    for (const { key, value } of durable.entries()) {
      const claim = parse(value);
      if (!claim) throw new EdgeError("EDGE_DATA", `The claim to ${key} cannot be read.`);
      // A clock that was ahead when this was written must not keep the name for longer.
      this.#claims.set(key, { ...claim, lastSeen: Math.min(claim.lastSeen, now()) });
      this.#writtenSeen.set(key, claim.lastSeen);
      this.#count(claim.fingerprint, 1);
    }
  }

  /**
   * Claims a name for the key, or finds it claimed already, and marks it as in use. `wanted` null: the name derived from the key, made
   * longer where it belongs to another key; once claimed it stays the same. Resolves when the claim is on disk.
   */
  async claim(keyBlob: Uint8Array, wanted: string | null, mayClaim: () => boolean = () => true): Promise<ClaimAnswer> {
    const fingerprint = fingerprintOf(keyBlob);
    const fault = wanted === null ? null : faultInName(wanted);
    if (fault) return { ok: false, reason: fault };
    const name = wanted ?? this.#derivedName(keyBlob, fingerprint);
    if (name === null || !this.#isFree(name, fingerprint))
      return { ok: false, reason: this.#isKept(name) ? "NAME_RESERVED" : "NAME_TAKEN" };
    const own = (this.#pending.get(name) ?? this.#claims.get(name))?.fingerprint === fingerprint;
    if (!own && (this.#perKey.get(fingerprint) ?? 0) >= NAMES_PER_KEY) return { ok: false, reason: "TOO_MANY_NAMES" };
    if (!own && !mayClaim()) return { ok: false, reason: "TOO_MANY_CLAIMS" };
    try {
      await this.#take(name, fingerprint);
      return { ok: true, name };
    } catch {
      return { ok: false, reason: "EDGE_FAILED" };
    }
  }

  nameOf(keyBlob: Uint8Array): string | null {
    return this.#derivedName(keyBlob, fingerprintOf(keyBlob));
  }

  /** Whether the name is claimed. For every request that comes in: a look into a map. */
  isKnown(name: string): boolean {
    return this.#claims.has(name) && !this.#isKept(name);
  }

  list(): NameEntry[] {
    return [...this.#claims]
      .map(([name, claim]) => ({ name, ...claim, fingerprint: claim.fingerprint || null, reserved: claim.reserved === true }))
      .toSorted(byName);
  }

  /** What the owner has left behind goes, and nobody gets the name until it is released: its owner would be back within seconds. */
  async revoke(name: string): Promise<NameChange> {
    const claim = this.#claims.get(name);
    if (!claim || this.#pending.has(name)) return { ok: false, reason: `Nobody has the name ${name}.` };
    await this.#put(name, { fingerprint: NOBODY, claimedAt: this.#now(), lastSeen: this.#now(), reserved: true }, true);
    return { ok: true };
  }

  /** For a key, or for nobody. Names that nobody can ask for need no reservation. */
  async reserve(name: string, fingerprint: string | null): Promise<NameChange> {
    const claim = this.#claims.get(name);
    const fault = faultInName(name);
    if (fault) return { ok: false, reason: fault === "NAME_RESERVED" ? `${name} is never given out.` : `${name} cannot be a name.` };
    if (this.#pending.has(name) || (claim && claim.fingerprint !== (fingerprint ?? NOBODY))) {
      return { ok: false, reason: `${name} belongs to ${claim?.fingerprint || "nobody, by the operator"}. Revoke or release it first.` };
    }
    const { claimedAt, lastSeen } = claim ?? { claimedAt: this.#now(), lastSeen: this.#now() };
    await this.#put(name, { fingerprint: fingerprint ?? NOBODY, claimedAt, lastSeen, reserved: true }, !claim);
    return { ok: true };
  }

  /** Ends a reservation: the owner keeps the name as any other does, and one of nobody is free. */
  async release(name: string): Promise<NameChange> {
    const claim = this.#claims.get(name);
    if (!claim?.reserved) return { ok: false, reason: `${name} is not reserved.` };
    await this.#put(name, claim.fingerprint === NOBODY ? null : { ...claim, reserved: undefined }, false);
    return { ok: true };
  }

  /** The name is in use now. Cheap; on disk at most an hour later, or at {@link close}. */
  touch(name: string): void {
    const claim = this.#claims.get(name);
    if (!claim) return;
    claim.lastSeen = this.#now();
    if (claim.lastSeen - (this.#writtenSeen.get(name) ?? 0) >= TOUCH_EVERY_MS) this.#writeSeen(name, claim);
  }

  /**
   * Forgets names that nobody has used for 90 days, in memory and on disk; returns which.
   * @param inUse whether something else still needs the name.
   */
  forgetUnused(inUse: (name: string) => boolean): string[] {
    const forgotten: string[] = [];
    for (const [name, claim] of this.#claims) {
      if (claim.reserved || this.#now() - claim.lastSeen < RECYCLE_AFTER_MS || this.#pending.has(name) || inUse(name)) continue;
      this.#claims.delete(name);
      this.#writtenSeen.delete(name);
      this.#count(claim.fingerprint, -1);
      forgotten.push(name);
    }
    // Tried again by itself when it fails.
    if (forgotten.length > 0) this.#durable.write(forgotten.map((key) => ({ key, value: null }))).catch(() => {});
    return forgotten;
  }

  /** Writes when names were last in use, and lets go of the folder. */
  async close(): Promise<void> {
    for (const [name, claim] of this.#claims) if (claim.lastSeen !== this.#writtenSeen.get(name)) this.#writeSeen(name, claim);
    await this.#durable.close();
  }

  #derivedName(keyBlob: Uint8Array, fingerprint: string): string | null {
    const candidates: string[] = [];
    for (let length = IDENTIFIER_LENGTH; length <= LONGEST_IDENTIFIER; length++) candidates.push(identifierOf(keyBlob, length));
    const own = candidates.find((name) => (this.#claims.get(name) ?? this.#pending.get(name))?.fingerprint === fingerprint);
    return own ?? candidates.find((name) => !faultInName(name) && this.#isFree(name, fingerprint)) ?? null;
  }

  #isFree(name: string, fingerprint: string): boolean {
    const pending = this.#pending.get(name);
    if (pending) return pending.fingerprint === fingerprint;
    const claim = this.#claims.get(name);
    if (!claim || claim.fingerprint === fingerprint) return true;
    return !claim.reserved && this.#now() - claim.lastSeen >= RECYCLE_AFTER_MS;
  }

  #isKept(name: string | null): boolean {
    return name !== null && this.#claims.get(name)?.fingerprint === NOBODY;
  }

  /** @param purge whether it is somebody else's name from now on. */
  async #put(name: string, claim: Claim | null, purge: boolean): Promise<void> {
    const before = this.#claims.get(name);
    // Nobody claims it meanwhile.
    const written = purge && claim ? this.#write(name, claim, before) : this.#durable.write([{ key: name, value: claim && encode(claim) }]);
    this.#pending.set(name, { fingerprint: claim?.fingerprint ?? NOBODY, written });
    try {
      await written;
    } finally {
      this.#pending.delete(name);
    }
    if (before) this.#count(before.fingerprint, -1);
    if (!claim) {
      this.#claims.delete(name);
      this.#writtenSeen.delete(name);
      return;
    }
    this.#count(claim.fingerprint, 1);
    this.#claims.set(name, claim);
    this.#writtenSeen.set(name, claim.lastSeen);
  }

  async #take(name: string, fingerprint: string): Promise<void> {
    const underWay = this.#pending.get(name);
    if (underWay) return underWay.written;
    if (this.#claims.get(name)?.fingerprint === fingerprint) return this.touch(name);
    const claim: Claim = { fingerprint, claimedAt: this.#now(), lastSeen: this.#now() };
    const before = this.#claims.get(name);
    const written = this.#write(name, claim, before);
    this.#pending.set(name, { fingerprint, written });
    this.#count(fingerprint, 1);
    try {
      await written;
      if (before) this.#count(before.fingerprint, -1);
      this.#claims.set(name, claim);
      this.#writtenSeen.set(name, claim.lastSeen);
    } catch (error) {
      this.#count(fingerprint, -1);
      throw error;
    } finally {
      this.#pending.delete(name);
    }
  }

  /** What an earlier owner has left behind goes first: nobody inherits that. */
  async #write(name: string, claim: Claim, before: Claim | undefined): Promise<void> {
    await this.#onNewOwner(name);
    await this.#durable.write([{ key: name, value: encode(claim) }], [{ key: name, value: before ? encode(before) : null }]);
  }

  #count(fingerprint: string, by: number): void {
    const count = (this.#perKey.get(fingerprint) ?? 0) + by;
    if (count > 0) this.#perKey.set(fingerprint, count);
    else this.#perKey.delete(fingerprint);
  }

  #writeSeen(name: string, claim: Claim): void {
    this.#writtenSeen.set(name, claim.lastSeen);
    // Tried again by itself when it fails.
    this.#durable.write([{ key: name, value: encode(claim) }]).catch(() => {});
  }
}

function byName(a: NameEntry, b: NameEntry): number {
  return a.name < b.name ? -1 : 1;
}

function encode(claim: Claim): Buffer {
  return Buffer.from(JSON.stringify(claim));
}

function parse(value: Buffer): Claim | null {
  try {
    return ClaimOnDisk.parse(JSON.parse(value.toString()));
  } catch {
    return null;
  }
}
