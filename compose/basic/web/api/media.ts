/**
 * Pictures, recordings and files come through the platform, never from the source's servers: the page then needs no other origin, and
 * nobody outside learns when a message is looked at. The platform fetches only addresses that the named object holds.
 */

export interface Owner {
  kind: "message" | "conversation" | "channel";
  id: string;
}

export function mediaPath({ kind, id }: Owner, url: string): string {
  return `/media?${new URLSearchParams({ [kind]: id, url }).toString()}`;
}
