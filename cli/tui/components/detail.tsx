/** One request: its headers, and its body as pretty JSON where it was kept. */
import type { RequestRecord } from "../../events.ts";
import type { RequestDetail } from "../deck.ts";
import { durationText, sizeText } from "../format.ts";
import { useFrame } from "../frame.ts";
import { printable, shownPath } from "../text.ts";
import { type Tone } from "../theme.ts";
import { Pane } from "./pane.tsx";
import { Row, Toned } from "./row.tsx";

/** Lines of a body that are worth drawing. */
const bodyLines = 2000;

interface Line {
  tone: Tone;
  text: string;
}

/** What is known of it; `detail` is null while it is asked for, "gone" when it is not kept, "none" when bodies are not. */
export function detailLines(request: RequestRecord, detail: RequestDetail | null | "gone" | "none"): Line[] {
  const facts = [
    { tone: "plain", text: `${request.at}  id ${request.id}` },
    {
      tone: "plain",
      text: `answered ${request.status || "nothing (aborted)"} in ${durationText(request.durationMs)}, ${sizeText(request.bytesIn)} in, ${sizeText(request.bytesOut)} out`,
    },
  ] satisfies Line[];
  if (detail === null) return [...facts, { tone: "dim", text: "asking for headers and body" }];
  if (typeof detail === "string") {
    return [
      ...facts,
      { tone: "dim", text: detail === "gone" ? "headers and body are not kept any more" : "headers and body are not kept" },
    ];
  }
  return [
    ...facts,
    ...part("Request headers", headerLines(detail.requestHeaders)),
    ...part("Request body", prettyBody(detail.requestBody)),
    ...part("Response headers", headerLines(detail.responseHeaders)),
    ...part("Response body", prettyBody(detail.responseBody)),
  ];
}

function part(title: string, lines: Line[]): Line[] {
  return [
    { tone: "plain", text: "" },
    { tone: "strong", text: title },
    ...(lines.length > 0 ? lines : [{ tone: "dim", text: "none" } as const]),
  ];
}

function headerLines(headers: RequestDetail["requestHeaders"]): Line[] {
  return headers.map(([name, value]) => ({ tone: "plain", text: `${name}: ${value}` }));
}

/** As JSON with indentation where it is some; line by line, so that white space keeps its place. */
function prettyBody(body: string | null): Line[] {
  if (body === null || body === "") return [];
  let text = body;
  try {
    text = JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    // Not JSON: as it is.
  }
  return text
    .split("\n")
    .slice(0, bodyLines)
    .map((line) => ({ tone: "plain", text: line }));
}

interface DetailProps {
  request: RequestRecord;
  detail: RequestDetail | null | "gone" | "none";
  scroll: number;
  width: number;
  height: number;
}

export function Detail({ request, detail, scroll, width, height }: DetailProps) {
  const { glyphs } = useFrame();
  const lines = detailLines(request, detail);
  const first = Math.max(0, Math.min(scroll, lines.length - height + 1));
  const title = `${printable(request.method)} ${shownPath(request.path, glyphs.ellipsis)}`.slice(0, Math.max(10, width - 20));
  const more = lines.length > height - 1 ? `line ${first + 1} of ${lines.length}` : "";
  return (
    <Pane title={title} note={more} focused width={width} height={height}>
      {lines.slice(first, first + height - 1).map((line, index) => (
        <Row key={first + index}>
          <Toned tone={line.tone}>{indented(line.text)}</Toned>
        </Row>
      ))}
    </Pane>
  );
}

function indented(text: string): string {
  const spaces = /^ */.exec(text)?.[0] ?? "";
  return spaces + printable(text.slice(spaces.length, spaces.length + 500));
}
