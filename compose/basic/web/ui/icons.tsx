/** Line icons, drawn for this page; all of them are decoration beside words or a label. */

const paths = {
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm5 12 4.5 4.5",
  filter: "M3 6h18M6 12h12M10 18h4",
  back: "M15 5l-7 7 7 7",
  cross: "M6 6l12 12M18 6 6 18",
  check: "M4.5 12.5l5 5 10-11",
  reopen: "M4 5v5h5M4.6 10a8 8 0 1 1-.4 4.5",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16Zm0 4v4.5l3 1.5",
  alert: "M12 3.5 2.5 20h19L12 3.5Zm0 6v5m0 2.6v.1",
  person: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM4.5 20.5a7.5 7.5 0 0 1 15 0",
  send: "M4 12 20 4.5 15 20l-3.5-6.5L4 12Zm7.5 1.5L20 4.5",
  clip: "M19.5 11.5 12 19a5 5 0 0 1-7-7l8-8a3.4 3.4 0 0 1 4.8 4.8l-7.7 7.7a1.7 1.7 0 0 1-2.4-2.4l7-7",
  bolt: "M13 3 5 13.5h6L10.5 21 19 10h-6.5L13 3Z",
  file: "M7 3h7l4 4v14H7V3Zm7 0v4h4",
  pin: "M12 21s7-6.2 7-11.5a7 7 0 0 0-14 0C5 14.8 12 21 12 21Zm0-9a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  link: "M10 14a4 4 0 0 0 5.7 0l3.6-3.6a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.6 3.6a4 4 0 0 0 5.7 5.7l1.6-1.6",
  picture: "M4 5h16v14H4V5Zm0 11 5-5 4 4 2.5-2.5L20 17M15.5 9.5v.1",
  tag: "M4 4h8l8.5 8.5-8 8L4 12V4Zm4.2 4.2v.1",
  plus: "M12 5v14M5 12h14",
  pencil: "M4 20l1-4L16.5 4.5l3 3L8 19l-4 1Z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  reply: "M9 7 4 12l5 5M4 12h9a6 6 0 0 1 6 6v1",
  touch: "M9 11V5.5a1.5 1.5 0 0 1 3 0V11l5 1.2a2 2 0 0 1 1.5 2.3L17.5 20H11l-4.5-5.5a1.5 1.5 0 0 1 2.2-2L9 13",
  keyboard: "M3 7h18v10H3V7Zm4 6.5h10M7 10.2v.1m3.3-.1v.1m3.4-.1v.1m3.3-.1v.1",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
