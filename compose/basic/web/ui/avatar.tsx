import { useState } from "react";
import { mediaPath, type Owner } from "../api/media.ts";
import { initials } from "../content/names.ts";

interface Props {
  name: string;
  /** Where the picture is, if there is one. */
  url: string | null;
  owner: Owner;
}

/** Pictures that could not be had; the list would ask for them again at every scroll. */
const failed = new Set<string>();

/** The contact's picture, or letters of the name on a colour that stays the same. */
export function Avatar({ name, url, owner }: Props) {
  const [, again] = useState(0);
  const source = url === null ? null : mediaPath(owner, url);
  if (source === null || failed.has(source)) {
    return (
      <span className={`avatar hue-${hueOf(owner.id)}`} aria-hidden="true">
        {initials(name)}
      </span>
    );
  }
  const onError = () => {
    failed.add(source);
    again((n) => n + 1);
  };
  return <img className="avatar" src={source} alt="" loading="lazy" decoding="async" onError={onError} />;
}

function hueOf(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) % 8191;
  return sum % 8;
}
