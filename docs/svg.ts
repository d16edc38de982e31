/** What a terminal shows, as an SVG that looks the same everywhere: each run of characters is stretched to its columns. */
import type { IBuffer, IBufferCell } from "@xterm/headless";

const cell = { width: 8.4, height: 18, font: 14, base: 13 };
const margin = 14;
const colours = { back: "#15181e", fore: "#d5dae3", frame: "#2b313c" };
/** The terminal's sixteen, the first eight and their bright ones. */
const palette = [
  ["#3b4252", "#e5707a", "#8fc98b", "#e3c878", "#7aa6e0", "#c59ad6", "#6fc3cf", "#d5dae3"],
  ["#6b7385", "#f08a93", "#a6dca2", "#f0d68c", "#94bbef", "#d6b0e5", "#8bd7e1", "#ffffff"],
].flat();

interface Run {
  column: number;
  text: string;
  style: string;
}

/** @param title what a screen reader says of it. */
export function svgOf(buffer: IBuffer, size: { columns: number; rows: number }, title: string): string {
  const width = Math.round(size.columns * cell.width + 2 * margin);
  const height = size.rows * cell.height + 2 * margin;
  const rows = Array.from({ length: size.rows }, (_, y) =>
    runsOf(buffer, y, size.columns)
      .map((run) => textOf(run, y))
      .join(""),
  ).filter(Boolean);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${colours.back}" stroke="${colours.frame}"/>`,
    `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="${cell.font}" fill="${colours.fore}">`,
    ...rows,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

function runsOf(buffer: IBuffer, y: number, columns: number): Run[] {
  const line = buffer.getLine(buffer.baseY + y);
  const runs: Run[] = [];
  for (let column = 0; column < columns; column++) {
    const found = line?.getCell(column);
    const text = found?.getChars() || " ";
    const style = found ? styleOf(found) : "";
    const last = runs.at(-1);
    if (last && (last.style === style || text === " ")) last.text += text;
    else runs.push({ column, text, style });
  }
  return runs;
}

function styleOf(found: IBufferCell): string {
  const fill = found.isFgPalette() ? palette[found.getFgColor()] : undefined;
  return [fill ? ` fill="${fill}"` : "", found.isBold() ? ' font-weight="bold"' : "", found.isDim() ? ' opacity="0.6"' : ""].join("");
}

function textOf({ column, text, style }: Run, y: number): string {
  const shown = text.trimEnd();
  const left = shown.length - shown.trimStart().length;
  const trimmed = shown.trimStart();
  if (trimmed === "") return "";
  const x = (margin + (column + left) * cell.width).toFixed(1);
  const length = ([...trimmed].length * cell.width).toFixed(1);
  return `<text xml:space="preserve" x="${x}" y="${margin + y * cell.height + cell.base}" textLength="${length}"${style}>${escaped(trimmed)}</text>\n`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
