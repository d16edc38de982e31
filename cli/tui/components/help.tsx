/** All keys, a line each, and how things are called. */
import { useFrame } from "../frame.ts";
import type { Key } from "../keys.ts";
import { Pane } from "./pane.tsx";
import { Row, Toned } from "./row.tsx";

const words: readonly (readonly [string, string])[] = [
  ["edge", "the public side of the tunnel; it passes requests on to this machine"],
  ["held", "webhooks that the edge keeps while this machine cannot take them"],
  ["set aside", "held webhooks that the platform refused: airy replay --dead"],
  ["foreign", "Facebook delivers to an address that is not from this workspace"],
];

export function Help({ keys, height }: { keys: readonly Key[]; height: number }) {
  const { width } = useFrame();
  const lines = [
    ...keys.map(({ key, what }) => ({ term: key.padEnd(7), what, tone: "strong" as const })),
    ...words.map(([word, what]) => ({ term: word.padEnd(10), what, tone: "link" as const })),
  ];
  return (
    <Pane title="Help" note="Esc closes it" focused width={width} height={height}>
      {lines.slice(0, height - 1).map(({ term, what, tone }) => (
        <Row key={term}>
          <Toned tone={tone}>{term}</Toned> {what}
        </Row>
      ))}
    </Pane>
  );
}
