/** Who is there from the start: a few customers with names and pictures, and how new ones come to be. */
import type { Customer } from "./model.ts";

const firstNames = ["Ada", "Bo", "Chidi", "Dilek", "Elif", "Farid", "Greta", "Hana"];
const lastNames = ["Berg", "Costa", "Diallo", "Haddad", "Ito", "Keller", "Novak", "Okafor"];
const locales = ["en_US", "de_DE", "fr_FR", "tr_TR", "es_ES", "pt_BR", "ja_JP", "pl_PL"];

/** Who writes when nobody is named: always the same customer, so that the conversation continues. */
export const DEFAULT_CUSTOMER = "24000000000000001";

/** The customers of a new stand-in: id, name, channel. */
export const firstCustomers: readonly (readonly [id: string, first: string, last: string, channel: Customer["channel"]])[] = [
  [DEFAULT_CUSTOMER, "Ada", "Berg", "page"],
  ["24000000000000002", "Bo", "Costa", "page"],
  ["24000000000000003", "Dilek", "Haddad", "page"],
  ["17000000000000004", "Iris", "Okafor", "instagram"],
];

interface NewCustomer {
  id: string;
  pageId: string;
  channel?: Customer["channel"];
  /** One or two words; follows from the id where absent. */
  name?: string | null;
}

export function createCustomer({ id, pageId, channel = "page", name }: NewCustomer): Customer {
  const sum = sumOf(id);
  const first = firstNames[sum % firstNames.length] ?? "";
  const last = lastNames[Math.floor(sum / firstNames.length) % lastNames.length] ?? "";
  const [given, ...family] = name?.trim().split(/\s+/) ?? [];
  const firstName = given ?? first;
  return {
    id,
    pageId,
    channel,
    firstName,
    lastName: given === undefined ? last : family.join(" "),
    username: channel === "instagram" ? `${firstName}.${family[0] ?? last}`.toLowerCase().replaceAll(/[^\w.]/g, "_") : null,
    locale: locales[sum % locales.length] ?? "en_US",
    timezone: (sum % 25) - 12,
    gender: sum % 2 === 0 ? "female" : "male",
    tester: true,
    reach: "reachable",
    wroteAt: 0,
    invited: false,
    ownerAppId: null,
    seenByCustomer: 0,
    seenByPage: 0,
    pageTypingUntil: 0,
    messages: [],
  };
}

export function fullName(customer: Pick<Customer, "firstName" | "lastName">): string {
  return `${customer.firstName} ${customer.lastName}`.trim();
}

/** A picture for everybody: initials on a colour that follows from the id. SVG. */
export function avatarOf(id: string, name: string): string {
  const hue = (sumOf(id) * 47) % 360;
  const initials = name
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => [...word][0] ?? "")
    .join("")
    .toUpperCase()
    .replaceAll(/[<>&"]/g, "");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200" viewBox="0 0 200 200">
<rect width="200" height="200" fill="hsl(${hue} 45% 42%)"/>
<text x="100" y="128" font-family="system-ui,sans-serif" font-size="80" fill="#fff" text-anchor="middle">${initials}</text></svg>`;
}

/** Pictures that customers send where none is given; SVG. */
export const samplePictures: Record<string, string> = {
  picture: `<svg xmlns="http://www.w3.org/2000/svg" width="480" height="320" viewBox="0 0 480 320">
<rect width="480" height="320" fill="#bfe3f7"/>
<circle cx="390" cy="70" r="36" fill="#ffd75e"/>
<path d="M0 240 120 120l90 90 80-70 190 160v20H0z" fill="#5f8f6b"/>
<path d="M0 320V270q120-50 240 0t240 0v50z" fill="#3d6b4a"/>
</svg>`,
  sticker: `<svg xmlns="http://www.w3.org/2000/svg" width="160" height="160" viewBox="0 0 160 160">
<circle cx="80" cy="80" r="70" fill="#ffd75e"/>
<circle cx="56" cy="64" r="9" fill="#3a2e00"/>
<circle cx="104" cy="64" r="9" fill="#3a2e00"/>
<path d="M44 96q36 40 72 0" fill="none" stroke="#3a2e00" stroke-width="8" stroke-linecap="round"/>
</svg>`,
};

function sumOf(id: string): number {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + char.charCodeAt(0)) % 65_536;
  return sum;
}
