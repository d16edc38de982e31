/** `✔`, `!`, `✘`, `·` or a busy glyph: always beside the word that says the same. */
import { Text } from "ink";
import { useFrame } from "../frame.ts";
import { textStyle, type Tone } from "../theme.ts";

export function Mark({ tone }: { tone: Tone }) {
  const { glyphs, tick } = useFrame();
  return <Text {...textStyle(tone)}>{glyph()}</Text>;

  function glyph(): string {
    if (tone === "busy") return glyphs.busy[tick % glyphs.busy.length] ?? glyphs.idle;
    if (tone === "ok") return glyphs.ok;
    if (tone === "warn") return glyphs.warn;
    return tone === "bad" ? glyphs.bad : glyphs.idle;
  }
}
