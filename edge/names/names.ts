/** Who owns which name, as the rest of the edge asks for it. */

export type ClaimAnswer =
  | { ok: true; name: string }
  | { ok: false; reason: "NAME_INVALID" | "NAME_RESERVED" | "NAME_TAKEN" | "TOO_MANY_NAMES" | "TOO_MANY_CLAIMS" | "EDGE_FAILED" };

/** A name as the operator sees it; times are milliseconds since 1970. */
export interface NameEntry {
  name: string;
  /** Of its key, as OpenSSH prints it; null: reserved for nobody. */
  fingerprint: string | null;
  claimedAt: number;
  lastSeen: number;
  reserved: boolean;
}

export type NameChange = { ok: true } | { ok: false; reason: string };

/** An edge of several processes would ask a place that they share; what is known here is answered at once. */
export interface Names {
  /**
   * Claims a name for the key, or finds it claimed already; `wanted` null: the one that follows from the key. Durable when it resolves.
   * @param mayClaim asked before anything is awaited, and only for a name that the key does not have yet.
   */
  claim(keyBlob: Uint8Array, wanted: string | null, mayClaim?: () => boolean): Promise<ClaimAnswer>;
  /** The name that {@link claim} would find or claim for the key, as far as is known here; null: none. */
  nameOf(keyBlob: Uint8Array): string | null;
  /** Whether the name is claimed by anybody. */
  isKnown(name: string): boolean | Promise<boolean>;
  /** The name is in use now. */
  touch(name: string): void;
  /** Forgets names that nobody has used for 90 days and that nothing else needs; says which. */
  forgetUnused(inUse: (name: string) => boolean): string[] | Promise<string[]>;
  /** For the operator: all names, in order. */
  list(): NameEntry[] | Promise<NameEntry[]>;
  /** Takes a name away for good, with what waits for it. */
  revoke(name: string): Promise<NameChange>;
  /** Keeps a name for the key with this fingerprint, or (null) for nobody, however long it is not used. */
  reserve(name: string, fingerprint: string | null): Promise<NameChange>;
  /** Ends a reservation. */
  release(name: string): Promise<NameChange>;
  close(): Promise<void>;
}
