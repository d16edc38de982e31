/** ` q quit  x stop  ? help  Tab pane ...`: always there, on as many lines as there is room for. */
import type { Key } from "../keys.ts";
import { Row, Toned } from "./row.tsx";

export function Keybar({ keys }: { keys: Key[][] }) {
  return keys.map((line, index) => (
    <Row key={index}>
      {line.map(({ key, word }, at) => (
        <KeyWord key={key} name={key} word={word} last={at === line.length - 1} />
      ))}
    </Row>
  ));
}

function KeyWord({ name, word, last }: { name: string; word: string; last: boolean }) {
  return (
    <>
      <Toned tone="strong">{name}</Toned>
      <Toned tone="dim">{` ${word}${last ? "" : "  "}`}</Toned>
    </>
  );
}
