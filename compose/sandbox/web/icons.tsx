/** Drawn here, because not every machine has a font with these signs. */
import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      width="20"
      height="20"
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export function PictureIcon() {
  return (
    <Icon>
      <rect x="2.5" y="3.5" width="15" height="13" rx="2" />
      <circle cx="7" cy="8" r="1.4" />
      <path d="m3 15 5-4.5 3 2.5 3-3 3.5 3.5" />
    </Icon>
  );
}

export function StickerIcon() {
  return (
    <Icon>
      <circle cx="10" cy="10" r="7.5" />
      <path d="M7 12.2q3 3 6 0M7.4 7.8v.2M12.6 7.8v.2" />
    </Icon>
  );
}

export function LikeIcon() {
  return (
    <Icon>
      <path d="M6.5 9 9 3.5q2 0 2 2V8h4.5q1.5 0 1.2 1.5l-1 5.5q-.3 1.5-1.7 1.5H6.5M3 9h3.5v7.5H3z" />
    </Icon>
  );
}
