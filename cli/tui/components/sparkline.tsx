/** `▁▂▅█▂`: the last values, as high as they are beside the highest of them. */
import { Text } from "ink";
import { useFrame } from "../frame.ts";
import type { Glyphs } from "../theme.ts";

export function sparkText(values: readonly number[], width: number, glyphs: Glyphs): string {
  const shown = values.slice(-width);
  const most = Math.max(...shown, 0);
  const steps = glyphs.spark.length - 1;
  return shown.map((value) => glyphs.spark[most === 0 ? 0 : Math.round((value / most) * steps)] ?? "").join("");
}

export function Sparkline({ values, width }: { values: readonly number[]; width: number }) {
  const { glyphs } = useFrame();
  return <Text color="cyan">{sparkText(values, width, glyphs)}</Text>;
}
