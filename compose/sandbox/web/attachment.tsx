/** Pictures, files and templates; buttons can be pressed. */
import type { Attachment, Button, Element } from "./shapes.ts";

interface Props {
  attachment: Attachment;
  onPress: (title: string, payload: string) => void;
}

export function AttachmentView({ attachment, onPress }: Props) {
  const { type, payload = {} } = attachment;
  const url = addressOf(payload.url);
  if (type === "template") return <Template attachment={attachment} onPress={onPress} />;
  if (type === "location" && payload.coordinates) {
    return (
      <p className="bubble">
        📍 {payload.coordinates.lat}, {payload.coordinates.long}
      </p>
    );
  }
  if (url === null) return <p className="bubble gone">[{attachment.title ?? type}]</p>;
  if (type === "sticker" || payload.sticker_id !== undefined) return <img className="sticker" src={url} alt="Sticker" />;
  if (type === "image") return <img className="picture" src={url} alt="" />;
  if (type === "audio") return <audio src={url} controls preload="none" />;
  if (type === "video") return <video src={url} controls preload="none" />;
  return (
    <p className="bubble">
      <a href={url} target="_blank" rel="noreferrer noopener">
        {decodeURIComponent(new URL(url, window.location.href).pathname.split("/").at(-1) ?? type)}
      </a>
    </p>
  );
}

/** Only what a browser loads; what the stand-in keeps itself is asked for at the address that this page has. */
function addressOf(url: string | undefined): string | null {
  if (url === undefined || !URL.canParse(url, window.location.href)) return null;
  const parsed = new URL(url, window.location.href);
  if (!/^https?:$/.test(parsed.protocol)) return null;
  return /^\/(files|pictures)\//.test(parsed.pathname) ? parsed.pathname : parsed.href;
}

function Template({ attachment, onPress }: Props) {
  const { payload = {} } = attachment;
  const elements = payload.elements ?? [];
  return (
    <div className={elements.length > 1 ? "cards many" : "cards"}>
      {payload.text !== undefined && <Card element={{ title: payload.text, buttons: payload.buttons ?? [] }} plain onPress={onPress} />}
      {elements.map((element, index) => (
        <Card key={index} element={element} onPress={onPress} />
      ))}
      {payload.text === undefined && elements.length === 0 && <p className="bubble gone">[{payload.template_type ?? "template"}]</p>}
    </div>
  );
}

function Card({ element, plain = false, onPress }: { element: Element; plain?: boolean; onPress: Props["onPress"] }) {
  const picture = addressOf(element.image_url ?? (element.media_type === "image" ? element.url : undefined));
  return (
    <div className="card">
      {picture !== null && <img src={picture} alt="" />}
      {element.title !== undefined && <p className={plain ? "text" : "headline"}>{element.title}</p>}
      {element.subtitle !== undefined && <p className="subtitle">{element.subtitle}</p>}
      {(element.buttons ?? []).map((button, index) => (
        <Pressable key={index} button={button} onPress={onPress} />
      ))}
    </div>
  );
}

function Pressable({ button: { type, title = "Button", url, payload = "" }, onPress }: { button: Button; onPress: Props["onPress"] }) {
  const address = addressOf(url);
  if (type === "postback") {
    return (
      <button type="button" onClick={() => onPress(title, payload)}>
        {title}
      </button>
    );
  }
  if (address === null) return <span className="dead">{title}</span>;
  return (
    <a className="button" href={address} target="_blank" rel="noreferrer noopener">
      {title}
    </a>
  );
}
