/** `tags.*` */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { ConversationState } from "../database/rows.ts";
import { stateColumns } from "../database/rows.ts";
import { empty, json, message } from "../http/reply.ts";
import type { Events } from "../live/events.ts";
import type { Endpoint } from "./endpoint.ts";
import { listOf, tagColors, tagSchema, text, uuid } from "./shapes.ts";

type TagRow = z.output<typeof tagSchema>;

const color = z.string().max(100);
const insert = { name: "insert_tag", text: "insert into tag (id, name, color) values ($1, $2, $3) returning id, name, color" };
const list = { name: "tags", text: "select id, name, color from tag order by created_at, id" };
const update = {
  name: "update_tag",
  text: "update tag set name = coalesce($2, name), color = coalesce($3, color) where id = $1 returning id, name, color",
};

export function tagRoutes(endpoint: Endpoint, database: Database, events: Events): void {
  const known = (given: string | null | undefined) => given == null || tagColors.some((one) => one === given);
  const badColor = () => message(400, `Invalid color. Valid colors are ${tagColors.join(", ")}`);

  endpoint("/tags.create", { body: z.object({ name: text(200), color }), answers: { 201: tagSchema } }, async (body) => {
    if (!known(body.color)) return badColor();
    const [tag] = await database.query<TagRow>(insert, [randomUUID(), body.name, body.color]);
    if (!tag) throw new Error("the tag was not stored");
    events.tagUpdated(tag);
    return json(201, tag);
  });

  endpoint("/tags.list", { body: z.unknown(), answers: { 200: listOf(tagSchema) } }, async () =>
    json(200, { data: await database.query<TagRow>(list, []) }),
  );

  const updateBody = z.object({ id: uuid, name: text(200).nullish(), color: color.nullish() });
  endpoint("/tags.update", { body: updateBody, answers: { 204: null, 404: null } }, async (body) => {
    if (!known(body.color)) return badColor();
    const [tag] = await database.query<TagRow>(update, [body.id, body.name ?? null, body.color ?? null]);
    if (!tag) return empty(404);
    events.tagUpdated(tag);
    return empty(204);
  });

  endpoint("/tags.delete", { body: z.object({ id: uuid }), answers: { 204: null, 404: null } }, async ({ id }) => {
    const untagged = await database.transaction(async (client) => {
      const { rowCount } = await client.query("delete from tag where id = $1", [id]);
      if (rowCount === 0) return null;
      const { rows } = await client.query<ConversationState>(
        `update conversation c set tag_ids = array_remove(c.tag_ids, $1::uuid), version = c.version + 1
         where c.tag_ids @> array[$1::uuid] returning ${stateColumns}`,
        [id],
      );
      return rows;
    });
    if (untagged === null) return empty(404);
    for (const row of untagged) events.conversationMetadata(row);
    return empty(204);
  });
}
