/** ` ! warning 1.2 GB of memory free; 2 GB are better · airy doctor` */
import { asCalled } from "../../report/called.ts";
import { useFrame } from "../frame.ts";
import type { Notice } from "../state.ts";
import { printable } from "../text.ts";
import { Mark } from "./mark.tsx";
import { Row, Toned } from "./row.tsx";

export function Notices({ notices }: { notices: readonly Notice[] }) {
  const { glyphs } = useFrame();
  return notices.map((notice) => {
    const tone = notice.level === "fail" ? "bad" : "warn";
    return (
      <Row key={notice.text} right={notice.action === null ? undefined : <Action text={notice.action} />}>
        <Mark tone={tone} /> <Toned tone={tone}>{notice.level === "fail" ? "failed" : "warning"}</Toned> {printable(notice.text)}
      </Row>
    );
  });

  /** A long one is a sentence, and stays with the command's own output. */
  function Action({ text }: { text: string }) {
    const { width } = useFrame();
    return text.length > width / 2 ? null : (
      <>
        {glyphs.separator} <Toned tone="strong">{printable(asCalled(text))}</Toned>
      </>
    );
  }
}
