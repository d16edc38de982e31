/** For how many names one key has tunnels. A connection that takes over a name of its own key counts once with the one before it. */
export class KeyTunnels {
  readonly #names = new Map<string, Map<string, number>>();

  /** Null: the key has as many. Else what gives the place back; to be called once. */
  enter(key: Buffer, name: string, limit: number): (() => void) | null {
    const id = key.toString("base64");
    const names = this.#names.get(id) ?? new Map<string, number>();
    const count = names.get(name) ?? 0;
    if (count === 0 && names.size >= limit) return null;
    names.set(name, count + 1);
    this.#names.set(id, names);
    return () => {
      const left = (names.get(name) ?? 1) - 1;
      if (left > 0) names.set(name, left);
      else names.delete(name);
      if (names.size === 0 && this.#names.get(id) === names) this.#names.delete(id);
    };
  }
}
