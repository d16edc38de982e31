/** Times in the reader's own language and zone. */

const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayOnly = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const wholeDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** For the list: the time of today, the day of anything older. */
export function shortTime(iso: string): string {
  const date = new Date(iso);
  return date.toDateString() === new Date().toDateString() ? timeOfDay.format(date) : dayOnly.format(date);
}

export function clock(iso: string): string {
  return timeOfDay.format(new Date(iso));
}

export function day(iso: string): string {
  const date = new Date(iso);
  return date.toDateString() === new Date().toDateString() ? "Today" : wholeDay.format(date);
}
