/** Words that other programs use for what airy does, and words that were meant otherwise. */

/** What is plainly meant, and takes nothing away: it is done, and the name it has here is said. */
export const synonyms: Readonly<Record<string, readonly string[]>> = {
  start: ["up"],
  run: ["up"],
  launch: ["up"],
  stop: ["down"],
  halt: ["down"],
  tail: ["logs"],
  log: ["logs"],
  ps: ["status"],
  info: ["status"],
  ls: ["list"],
  whoami: ["url"],
  inbox: ["open", "inbox"],
  chat: ["open", "chat"],
  dashboard: ["attach"],
  tui: ["attach"],
  ui: ["attach"],
};

/** What is no command of ours: what to type in its place. */
export const instead: Readonly<Record<string, string>> = {
  restart: "airy down && airy up",
  delete: "airy destroy",
  remove: "airy destroy",
  rm: "airy destroy",
  reset: "airy destroy",
  clean: "airy destroy",
  uninstall: "airy destroy",
  init: "airy up",
  setup: "airy up",
  upgrade: "git pull in a checkout, or npm install --global airy-up; then: airy up",
  update: "git pull in a checkout, or npm install --global airy-up; then: airy up",
  connect: "airy webhook connect",
  login: "airy webhook connect",
  tunnel: "airy proxy PORT",
  expose: "airy proxy PORT",
  http: "airy proxy PORT",
  share: "airy proxy PORT",
  send: 'airy trigger message "Hello"',
  message: 'airy trigger message "Hello"',
  check: "airy doctor",
  test: "airy doctor",
  retry: "airy replay --dead",
  import: "airy restore FILE",
  settings: "airy config",
  bugreport: "airy export",
};

/** The words to use in place of a first one that is no command, where it is plain. */
export function synonymOf(word: string): readonly string[] | null {
  return Object.hasOwn(synonyms, word) ? (synonyms[word] ?? null) : null;
}

/** What to type where a word of other programs has no command of ours. */
export function insteadOf(word: string): string | null {
  return Object.hasOwn(instead, word) ? (instead[word] ?? null) : null;
}

/** The candidate that differs least from the word, by at most a third of its letters; null: none is near. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const ranked = candidates
    .map((candidate) => ({ candidate, far: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .toSorted((a, b) => a.far - b.far);
  const best = ranked[0];
  return best && best.far <= Math.max(1, Math.floor(Math.max(word.length, best.candidate.length) / 3)) ? best.candidate : null;
}

/** Letters that have to be put in, left out, replaced or swapped (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Infinity;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1), swapped ? at(i - 2, j - 2) + 1 : Infinity);
    }
  }
  return at(a.length, b.length);
}
