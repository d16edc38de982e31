/** What compose does not do for containers that are there already. */
import type { Engine } from "../../docker/engine.ts";
import { fail } from "../../errors.ts";
import type { Emit } from "../../events.ts";
import { composeUp } from "./cli.ts";
import { execute, listContainers, observeContainers, type Container } from "./containers.ts";
import type { Project } from "./project.ts";

/** Compose leaves a container alone whose configuration is right, however it fares. */
export async function mend(engine: Engine, project: Project, expected: ReadonlyMap<string, string>): Promise<void> {
  const containers = await observeContainers(engine, project.name);
  await Promise.all(
    containers.filter(({ service, configHash }) => expected.get(service) === configHash).map((one) => mendOne(engine, one)),
  );
}

/** Compose takes services of profiles that are not chosen any more for nobody's, and for no orphans either: it leaves them running. */
export async function removeUnwanted(engine: Engine, { name }: Project, expected: ReadonlyMap<string, string>, emit: Emit): Promise<void> {
  const unwanted = (await listContainers(engine, name)).filter(({ service }) => !expected.has(service));
  await Promise.all(
    unwanted.map(async ({ id, service }) => {
      const container = { name: service, state: "exited", health: "none" } as const;
      await engine.ask((docker, abortSignal) => docker.getContainer(id).stop({ abortSignal }), { timeoutMs: 60_000 }).catch(() => null);
      await engine.ask((docker, abortSignal) => docker.getContainer(id).remove({ force: true, abortSignal }), { timeoutMs: 60_000 });
      emit({ type: "service", service: container, detail: "not configured any more: removed" });
    }),
  );
}

async function mendOne(engine: Engine, { id, paused, status }: Container): Promise<void> {
  if (paused) await engine.ask((docker, abortSignal) => docker.getContainer(id).unpause({ abortSignal }));
  else if (status.health === "unhealthy") {
    await engine.ask((docker, abortSignal) => docker.getContainer(id).restart({ abortSignal }), { timeoutMs: 60_000 });
  }
}

/** Without a password in anybody's arguments: the server's own program reads it from the file that the container has anyway. */
export async function renewPassword(engine: Engine, project: Project, signal: AbortSignal): Promise<void> {
  // Made anew: the running one sees the password's file as it was when it was mounted.
  await composeUp(project, { signal, more: ["--force-recreate", "postgres"] });
  const sql = "printf '%s\\n' '\\set password `cat /run/secrets/database-password`' \"alter role airy password :'password';\"";
  for (;;) {
    signal.throwIfAborted();
    const postgres = (await observeContainers(engine, project.name)).find(({ service }) => service === "postgres");
    if (postgres?.status.health === "healthy") {
      const { exitCode, output } = await execute(engine, postgres.id, ["sh", "-c", `${sql} | psql -qU airy -d airy -v ON_ERROR_STOP=1`]);
      if (exitCode === 0) return;
      const reason = `Its password could not be set anew: ${output.replaceAll(/[^\x20-\x7e]+/g, " ").trim()}`;
      fail("SERVICE_UNHEALTHY", { service: "postgres", reason });
    }
    if (postgres?.exitCode !== null && postgres !== undefined) return; // told by whoever starts the services
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
