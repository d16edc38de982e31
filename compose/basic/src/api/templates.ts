/** `templates.*` */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import { empty, json } from "../http/reply.ts";
import type { Endpoint } from "./endpoint.ts";
import { listOf, templateSchema, text, uuid } from "./shapes.ts";

const content = z.unknown().refine((value) => value !== undefined && value !== null, "is needed");
const oneBody = z.object({ id: uuid });
const createBody = z.object({ name: text(500), source: text(100), content });
const listBody = z.object({ source: text(100), name: z.string().max(500).nullish() });
const updateBody = oneBody.extend({ name: text(500).nullish(), source: text(100).nullish(), content: z.unknown().optional() });

type TemplateRow = z.output<typeof templateSchema>;
const columns = "id, name, source, content";
const insert = {
  name: "insert_template",
  text: `insert into template (id, name, source, content) values ($1, $2, $3, $4::json) returning ${columns}`,
};
const select = { name: "template", text: `select ${columns} from template where id = $1` };
const list = {
  name: "templates",
  text: `select ${columns} from template where source = $1 and ($2::text is null or strpos(name, $2) > 0) order by created_at, id`,
};
const update = {
  name: "update_template",
  text: `update template set name = coalesce($2, name), source = coalesce($3, source), content = coalesce($4::json, content)
    where id = $1 returning ${columns}`,
};
const remove = { name: "delete_template", text: "delete from template where id = $1 returning id" };

export function templateRoutes(endpoint: Endpoint, database: Database): void {
  const found = (rows: TemplateRow[]) => (rows[0] ? json(200, rows[0]) : empty(404));
  const answers = { 200: templateSchema, 404: null };

  endpoint("/templates.create", { body: createBody, answers: { 201: templateSchema } }, async (body) => {
    const rows = await database.query<TemplateRow>(insert, [randomUUID(), body.name, body.source, JSON.stringify(body.content)]);
    return json(201, rows[0]);
  });
  endpoint("/templates.info", { body: oneBody, answers }, async ({ id }) => found(await database.query<TemplateRow>(select, [id])));
  endpoint("/templates.list", { body: listBody, answers: { 200: listOf(templateSchema) } }, async ({ source, name }) =>
    json(200, { data: await database.query<TemplateRow>(list, [source, name ? name.replaceAll("\0", "") : null]) }),
  );
  endpoint("/templates.update", { body: updateBody, answers }, async ({ id, name, source, content: changed }) => {
    const given = changed === undefined || changed === null ? null : JSON.stringify(changed);
    return found(await database.query<TemplateRow>(update, [id, name ?? null, source ?? null, given]));
  });
  endpoint("/templates.delete", { body: oneBody, answers: { 204: null, 404: null } }, async ({ id }) => {
    const rows = await database.query<{ id: string }>(remove, [id]);
    return empty(rows.length > 0 ? 204 : 404);
  });
}
