/**
 * A local service that keeps what arrives: one line for each delivery in a file, synced before the answer.
 * Arguments: port, file, milliseconds that each delivery takes, share of deliveries that go wrong: answered 503, or kept and not answered.
 * SIGUSR2: everything is answered with 500; again: with 502; again: as before. What says that it is forged gets 401.
 */
import { fdatasyncSync, openSync, writeSync } from "node:fs";
import http from "node:http";

const [port, file, takes, wrong] = process.argv.slice(2);
const journal = openSync(file ?? "", "a");
const moods = [0, 500, 502];
process.on("SIGUSR2", () => void moods.push(moods.shift() ?? 0));

const server = http.createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => setTimeout(keep, Number(takes ?? 0)));
  const keep = () => {
    const chance = Math.random() * 2;
    const [mood = 0] = moods;
    if (mood > 0) return void response.writeHead(mood).end();
    if (Buffer.concat(chunks).includes('"forged"')) return void response.writeHead(401).end();
    if (chance < Number(wrong)) return void response.writeHead(503).end();
    const n = /"mid":"m_(\d+)"/.exec(Buffer.concat(chunks).toString())?.[1] ?? "?";
    const id = String(request.headers["airy-delivery"] ?? "-");
    writeSync(journal, `${n} ${id} ${String(request.headers["airy-delivery-attempt"] ?? 0)}\n`);
    fdatasyncSync(journal);
    if (chance < Number(wrong) * 2) return void response.destroy();
    response.end("EVENT_RECEIVED");
  };
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), "127.0.0.1");
