/** The parts of a message, each in its own form. Every picture and recording comes through the platform. */
import { useState } from "react";
import { mediaPath, type Owner } from "../api/media.ts";
import type { Button, Part } from "../content/parts.ts";
import { runsOf, shorten } from "../content/text.ts";
import { Icon, type IconName } from "./icons.tsx";

interface Props {
  part: Part;
  /** What holds the address of a picture; null while the platform does not have it. */
  owner: Owner | null;
}

/** Longer texts are shown on demand. */
const LONG_TEXT = 2_000;

export function PartView({ part, owner }: Props) {
  switch (part.kind) {
    case "text":
      return <Words text={part.text} />;
    case "picture":
      return (
        <>
          {part.caption !== null && <p className="aside">{part.caption}</p>}
          <Picture url={part.url} name={part.name} owner={owner} className={part.sticker ? "sticker" : "picture"} />
        </>
      );
    case "audio":
    case "video":
      return <Recording kind={part.kind} url={part.url} name={part.name} owner={owner} />;
    case "file":
      return <Linked icon="file" url={part.url} title={part.name} />;
    case "link":
      return <Linked icon="link" url={part.url} title={part.title} label={part.label === part.title ? null : part.label} />;
    case "place":
      return <Linked icon="pin" url={part.url} title={part.title} label={part.coordinates} />;
    case "card":
      return <Card part={part} owner={owner} />;
    case "facts":
      return (
        <div className="card">
          <p className="card-title">{part.label}</p>
          <FactList facts={part.facts} />
        </div>
      );
    case "pressed":
      return (
        <div className="text">
          <span className="pressed">
            <Icon name="touch" /> <bdi>{part.title}</bdi>
          </span>{" "}
          <span className="aside">button pressed</span>
          {part.facts.length > 0 && <FactList facts={part.facts} />}
        </div>
      );
    case "note":
      return <Note text={part.text} raw={part.raw} />;
  }
}

function Words({ text }: { text: string }) {
  const [whole, showWhole] = useState(text.length <= LONG_TEXT * 1.2);
  return (
    <>
      <p className="text" dir="auto">
        {runsOf(whole ? text : shorten(text, LONG_TEXT)).map((run, index) =>
          run.url === null ? (
            run.text
          ) : (
            <a key={index} href={run.url} target="_blank" rel="noopener noreferrer">
              {run.text}
            </a>
          ),
        )}
      </p>
      {!whole && (
        <button type="button" className="link" onClick={() => showWhole(true)}>
          Show all {text.length.toLocaleString()} characters
        </button>
      )}
    </>
  );
}

function Picture({ url, name, owner, className }: { url: string | null; name: string; owner: Owner | null; className: string }) {
  const [failed, setFailed] = useState(false);
  if (url === null) return <Missing icon="picture" text={`${name}: there is no picture to show.`} />;
  const source = owner === null ? null : mediaPath(owner, url);
  if (failed || source === null)
    return <Linked icon="picture" url={url} title={name} label={failed ? "not available here (any more)" : null} />;
  return (
    <a href={source} target="_blank" rel="noopener noreferrer" className={className}>
      <img src={source} alt={name} loading="lazy" decoding="async" onError={() => setFailed(true)} />
    </a>
  );
}

function Recording({ kind, url, name, owner }: { kind: "audio" | "video"; url: string | null; name: string; owner: Owner | null }) {
  const [failed, setFailed] = useState(false);
  if (url === null) return <Missing icon="file" text={`${name}: there is nothing to play.`} />;
  if (failed || owner === null) return <Linked icon="file" url={url} title={name} label={failed ? "cannot be played here" : null} />;
  const source = mediaPath(owner, url);
  const Player = kind;
  return (
    <figure>
      <Player src={source} controls preload="none" aria-label={name} onError={() => setFailed(true)} />
      <figcaption>
        <a href={source} target="_blank" rel="noopener noreferrer">
          {name}
        </a>
      </figcaption>
    </figure>
  );
}

function Linked({ icon, url, title, label = null }: { icon: IconName; url: string | null; title: string; label?: string | null }) {
  const inner = (
    <>
      <Icon name={icon} />
      <span>
        <bdi className="card-title">{title}</bdi>
        {label !== null && <span className="aside">{label}</span>}
      </span>
    </>
  );
  if (url === null) return <p className="linked">{inner}</p>;
  return (
    <a className="linked" href={url} target="_blank" rel="noopener noreferrer" title={url}>
      {inner}
    </a>
  );
}

function Card({ part, owner }: { part: Extract<Part, { kind: "card" }>; owner: Owner | null }) {
  const { title, subtitle, picture, url, buttons } = part;
  if (title === null && subtitle === null && picture === null) return <Buttons buttons={buttons} />;
  return (
    <div className="card">
      {picture !== null && <Picture url={picture} name={title ?? "Picture"} owner={owner} className="picture" />}
      {title !== null && (
        <p className="card-title">
          {url === null ? (
            <bdi>{title}</bdi>
          ) : (
            <a href={url} target="_blank" rel="noopener noreferrer">
              <bdi>{title}</bdi>
            </a>
          )}
        </p>
      )}
      {subtitle !== null && (
        <p className="aside">
          <bdi>{subtitle}</bdi>
        </p>
      )}
      <Buttons buttons={buttons} />
    </div>
  );
}

/** What the customer sees as buttons; here they only show what was offered, or lead where they lead. */
function Buttons({ buttons }: { buttons: Button[] }) {
  if (buttons.length === 0) return null;
  return (
    <ul className="offered" aria-label="Buttons">
      {buttons.map(({ title, url }, index) => (
        <li key={index}>
          {url === null ? (
            title
          ) : (
            <a href={url} target="_blank" rel="noopener noreferrer">
              {title}
            </a>
          )}
        </li>
      ))}
    </ul>
  );
}

function FactList({ facts }: { facts: [string, string][] }) {
  return (
    <dl className="facts">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <bdi>{value}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Note({ text, raw }: { text: string; raw: unknown }) {
  if (raw === null || raw === undefined) return <p className="aside">{text}</p>;
  return (
    <details>
      <summary className="aside">{text} What was sent:</summary>
      <pre tabIndex={0}>{written(raw)}</pre>
    </details>
  );
}

function written(raw: unknown): string {
  try {
    return shorten(JSON.stringify(raw, null, 2), 20_000);
  } catch {
    return "(nested too deeply to be shown)";
  }
}

function Missing({ icon, text }: { icon: IconName; text: string }) {
  return (
    <p className="linked aside">
      <Icon name={icon} />
      {text}
    </p>
  );
}
