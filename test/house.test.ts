/** The table "may import" of ARCHITECTURE.md, that no two rooms need each other (imports of types count as well), and how wide comments are. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "..");

interface Import {
  from: string;
  to: string;
}

const files = ["edge", "cli", "compose"].flatMap((place) =>
  readdirSync(path.join(root, place), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => path.posix.join(place, file)),
);
const imports = files.flatMap(importsOf);

function importsOf(from: string): Import[] {
  const text = readFileSync(path.join(root, from), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, specifier = ""]) => ({
    from,
    to: path.posix.join(path.posix.dirname(from), specifier),
  }));
}

/** `edge/ssh/server.ts` -> `edge/ssh`, `edge/network.ts` -> itself: a file beside the rooms is one of its own. */
function roomOf(file: string): string {
  const parts = file.split("/");
  const depth = file.startsWith("compose/") ? 4 : 2;
  return parts.length > depth ? parts.slice(0, depth).join("/") : file;
}

const FRONT_DOORS = /^(edge\/index\.ts|edge\/(wire|names|transport)\/.*|compose\/[^/]+\/src\/index\.ts|compose\/facebook\/.*)$/;

/** Whether ARCHITECTURE.md lets `from` import `to`. */
function allowed({ from, to }: Import): boolean {
  const [place = "", bundle] = from.split("/");
  if (to.startsWith("templates/")) return place !== "compose";
  if (place === "edge") return to.startsWith("edge/");
  if (place === "cli") return to.startsWith("cli/") || FRONT_DOORS.test(to);
  return to.startsWith(`compose/${bundle}/`) || to.startsWith("compose/facebook/");
}

test("every import is one that ARCHITECTURE.md allows", () => {
  expect(imports.length).toBeGreaterThan(500);
  expect(imports.filter((each) => !allowed(each))).toEqual([]);
});

test("no rooms import each other, directly or around corners", () => {
  const rooms = new Map<string, Set<string>>();
  for (const { from, to } of imports) {
    const [a, b] = [roomOf(from), roomOf(to)];
    if (a !== b && a.split("/")[0] === b.split("/")[0]) rooms.set(a, (rooms.get(a) ?? new Set()).add(b));
  }
  expect(circlesOf(rooms)).toEqual([]);
});

test("comments fit the formatter's width", () => {
  const width = 140;
  const comments = files.flatMap((file) =>
    readFileSync(path.join(root, file), "utf8")
      .split("\n")
      .map((line, at) => ({ line, where: `${file}:${at + 1}` }))
      .filter(({ line }) => /^\s*(\/\*\*|\*|\/\/) /.test(line)),
  );
  expect(comments.length).toBeGreaterThan(3_000);
  expect(comments.filter(({ line }) => line.length > width).map(({ where }) => where)).toEqual([]);
});

function circlesOf(rooms: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (room: string, trail: string[]): void => {
    const at = trail.indexOf(room);
    if (at >= 0) found.push([...trail.slice(at), room].join(" -> "));
    if (at >= 0 || done.has(room)) return;
    for (const next of rooms.get(room) ?? []) visit(next, [...trail, room]);
    done.add(room);
  };
  for (const room of rooms.keys()) visit(room, []);
  return found;
}
