/** Times in the reader's own language and zone. */

const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const dayOnly = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "2-digit" });
const wholeDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const wholeDayOfYear = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

const DAY_MS = 86_400_000;

/** For the list: the time of today, the day of anything older. */
export function shortTime(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  const days = daysAgo(date);
  if (days === 0) return timeOfDay.format(date);
  if (days === 1) return capital(relative.format(-1, "day"));
  if (days > 1 && days < 7) return weekday.format(date);
  return (sameYear(date) ? dayOnly : dayOfYear).format(date);
}

export function clock(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? "" : timeOfDay.format(date);
}

export function day(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  const days = daysAgo(date);
  if (days === 0 || days === 1) return capital(relative.format(-days, "day"));
  return (sameYear(date) ? wholeDay : wholeDayOfYear).format(date);
}

/** In full, for who wants to know it exactly. */
export function exactly(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : moment.format(date);
}

export function hoursSince(iso: string): number {
  return (Date.now() - Date.parse(iso)) / 3_600_000;
}

/** "2 days ago" */
export function ago(iso: string): string {
  const hours = hoursSince(iso);
  return hours < 48 ? relative.format(-Math.round(hours), "hour") : relative.format(-Math.floor(hours / 24), "day");
}

/** In days of the calendar. */
function daysAgo(date: Date): number {
  const midnight = (of: Date) => new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime();
  return Math.round((midnight(new Date()) - midnight(date)) / DAY_MS);
}

function sameYear(date: Date): boolean {
  return date.getFullYear() === new Date().getFullYear();
}

function capital(words: string): string {
  return words.charAt(0).toLocaleUpperCase() + words.slice(1);
}
