/** The part of a list that fits, with the chosen item in it. */
export function windowOf<T>(items: readonly T[], chosen: number, rows: number): readonly T[] {
  if (rows <= 0) return [];
  const first = Math.max(0, Math.min(chosen - Math.floor(rows / 2), items.length - rows));
  return items.slice(first, first + rows);
}
