/**
 * What of this machine is public, and since when:
 * ```
 *  Public URL  only /facebook is public, since 09:14:05
 *  http://abcdefghij.tunnel.localhost:4280/facebook
 * ```
 * The URL stands alone on its line, so that it can be marked and copied; only a frame that is too narrow cuts it.
 */
import { timeText } from "../format.ts";
import { useFrame } from "../frame.ts";
import type { View } from "../state.ts";
import { cutMiddle } from "../text.ts";
import { Row, Toned } from "./row.tsx";

export function publicUrl(view: Pick<View, "tunnel" | "exposed">): string | null {
  const url = view.tunnel?.url ?? null;
  if (url === null) return null;
  return view.exposed.length === 1 ? url.replace(/\/$/, "") + view.exposed[0] : url;
}

export function Exposure({ view }: { view: View }) {
  const { now, width, glyphs } = useFrame();
  const url = publicUrl(view);
  const publicPaths = view.exposed;
  const label = <Toned tone="strong">Public URL </Toned>;
  if (url === null) {
    return (
      <>
        <Row>
          {label} <Toned tone="dim">none yet: nothing on this machine is public</Toned>
        </Row>
        <Row> </Row>
      </>
    );
  }
  const what =
    publicPaths.length === 0 ? "everything is public" : `only ${publicPaths.join(", ")} ${publicPaths.length === 1 ? "is" : "are"} public`;
  const when = view.tunnel?.state === "open" ? `, since ${timeText(view.tunnel.since, now)}` : ", but not connected now";
  const indent = url.length + 1 <= width ? 1 : 0;
  return (
    <>
      <Row>
        {label} <Toned tone={publicPaths.length === 0 ? "warn" : "dim"}>{what + when}</Toned>
      </Row>
      <Row indent={indent}>
        <Toned tone="link">{cutMiddle(url, width - indent, glyphs.ellipsis)}</Toned>
      </Row>
    </>
  );
}
