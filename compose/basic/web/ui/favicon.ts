import { initials } from "../content/names.ts";

/** The first letter of the workspace, with a dot while something is unread. */
export function setFavicon(name: string, unread: number): void {
  const letter = ([...initials(name)][0] ?? "A").replaceAll(/[<>&]/g, "A");
  const dot = unread > 0 ? `<circle cx="25" cy="7" r="7" fill="#d92d20" stroke="#fff" stroke-width="2"/>` : "";
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1466b8"/>` +
    `<text x="16" y="23" font-family="sans-serif" font-size="20" font-weight="700" fill="#fff" text-anchor="middle">${letter}</text>${dot}</svg>`;
  document.querySelector("link[rel=icon]")?.setAttribute("href", `data:image/svg+xml,${encodeURIComponent(svg)}`);
}
