/** Several calls in one: `POST /` with `batch`, and `GET /?ids=`. Source: Graph API, "Batch requests" and "Multiple reads". */
import { GraphError, graphErrors } from "../errors.ts";
import { type GraphRequest, arrayParam, listParam, parseForm, readGraphRequest, textParam } from "../request.ts";
import type { World } from "../world.ts";

type Answer = (world: World, request: GraphRequest) => Promise<{ value: unknown }>;

const MOST_BATCH = 50;

interface Part {
  code: number;
  headers: { name: string; value: string }[];
  body: string;
}

/** Each part is answered on its own, errors inside. A named one answers null where another one uses it, unless it was asked not to. */
export async function answerBatch(world: World, request: GraphRequest, answer: Answer): Promise<unknown> {
  const parts = arrayParam(request.params, "batch");
  if (parts === null) throw graphErrors.noSuchObject("POST", "");
  if (parts.length > MOST_BATCH) throw graphErrors.parameterWrong("batch", `must have no more than ${MOST_BATCH} elements`);
  const answers: (Part | null)[] = [];
  const named = new Map<string, { at: number; value: unknown }>();
  for (const [at, part] of parts.entries()) {
    const given = (typeof part === "object" && part !== null ? part : {}) as Record<string, unknown>;
    const used = new Set<number>();
    const filled = fillResults(given, named, used);
    const { code, headers, body } = await answerPart(world, request, filled, answer);
    answers.push({ code, headers: textParam(request.params, "include_headers") === "false" ? [] : headers, body });
    const name = textParam(given, "name");
    if (name !== null) named.set(name, { at, value: code === 200 ? (JSON.parse(body) as unknown) : null });
    for (const other of used) {
      const keep = textParam(parts[other] as Record<string, unknown>, "omit_response_on_success") === "false";
      if (!keep && answers[other]?.code === 200) answers[other] = null;
    }
  }
  return answers;
}

/** `{result=NAME:$.data.*.id}` in address and body stands for what that part has answered. */
function fillResults(given: Record<string, unknown>, named: ReadonlyMap<string, { at: number; value: unknown }>, used: Set<number>) {
  const fill = (text: string): string =>
    text.replaceAll(/\{result=([\w-]+):\$([^}]*)\}/g, (whole, name: string, path: string) => {
      const known = named.get(name);
      if (!known) return whole;
      used.add(known.at);
      return valuesAt(known.value, path).map(String).join(",");
    });
  const { relative_url: address, body } = given;
  return {
    ...given,
    ...(typeof address === "string" && { relative_url: fill(address) }),
    ...(typeof body === "string" && { body: fill(body) }),
  };
}

/** `.data.*.id`, `.data[0].name`: the part of JSONPath that Meta's page shows. */
function valuesAt(value: unknown, path: string): unknown[] {
  let found: unknown[] = [value];
  for (const [, name, index] of path.matchAll(/\.(\*|\w+)|\[(\*|\d+)\]/g)) {
    const step = name ?? index ?? "";
    found = found.flatMap((each) => {
      if (typeof each !== "object" || each === null) return [];
      if (step === "*") return Object.values(each);
      return Object.hasOwn(each, step) ? [(each as Record<string, unknown>)[step]] : [];
    });
  }
  return found;
}

async function answerPart(world: World, batch: GraphRequest, given: Record<string, unknown>, answer: Answer): Promise<Part> {
  const relative = textParam(given, "relative_url") ?? "";
  const body = typeof given["body"] === "string" ? parseForm(given["body"]) : ((given["body"] ?? {}) as Record<string, unknown>);
  const raw = {
    method: (textParam(given, "method") ?? "GET").toUpperCase(),
    url: `/${relative.replace(/^\/+/, "")}`,
    authorization: undefined,
    body,
    upload: null,
  };
  const request = readGraphRequest(raw);
  const merged = { ...request, token: request.token ?? batch.token, version: request.version ?? batch.version };
  if (request.params["appsecret_proof"] === undefined && merged.token === batch.token) {
    for (const name of ["appsecret_proof", "appsecret_time"])
      if (batch.params[name] !== undefined) merged.params[name] = batch.params[name];
  }
  try {
    // A batch inside of one would have no end.
    if (merged.params["batch"] !== undefined) throw graphErrors.parameterWrong("batch", "must not hold another one");
    if (merged.path.length === 0 && merged.params["ids"] === undefined) throw graphErrors.noSuchObject(merged.method, "");
    const { value } = await answer(world, merged);
    return { code: 200, headers: [{ name: "Content-Type", value: "application/json; charset=UTF-8" }], body: JSON.stringify(value) };
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    const { message, type, code, subcode, status } = error;
    return {
      code: status,
      headers: [],
      body: JSON.stringify({ error: { message, type, code, ...(subcode === null ? {} : { error_subcode: subcode }) } }),
    };
  }
}

/** `GET /?ids=1,2`: by id; the first one that cannot be read refuses them all. Throws GraphError. */
export async function answerIds(world: World, request: GraphRequest, answer: Answer): Promise<unknown> {
  const { ids: _, ...params } = request.params;
  const ids = listParam(request.params, "ids") ?? [];
  if (request.method !== "GET" || ids.length === 0) throw graphErrors.noSuchObject(request.method, "");
  if (ids.length > MOST_BATCH) throw graphErrors.parameterWrong("ids", `must have no more than ${MOST_BATCH} elements`);
  const found: [string, unknown][] = [];
  for (const id of ids) found.push([id, (await answer(world, { ...request, path: [id], params })).value]);
  return Object.fromEntries(found);
}
