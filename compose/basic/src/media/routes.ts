/** `GET /media` */
import type { App } from "../http/server.ts";
import type { Media } from "./media.ts";

export function mediaRoutes(app: App, media: Media): void {
  app.get("/media", { schema: { hide: true } }, async (request, reply) => {
    const gone = new AbortController();
    reply.raw.on("close", () => gone.abort());
    const { status, headers, body } = await media.answer(request.query, request.headers, gone.signal);
    return reply
      .code(status)
      .headers(headers)
      .send(typeof body === "string" ? Buffer.from(body) : body);
  });
}
