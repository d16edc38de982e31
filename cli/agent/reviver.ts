/** Starts services again that have ended inside while their process goes on: Airy Core's, whose streams stop where topics are missing. */
import { AiryError, asAiryError, whyOf } from "../errors.ts";
import type { Emit, ServiceStatus } from "../events.ts";
import type { Platform } from "../platform/platform.ts";
import { isUp } from "./status.ts";

/** One that does not come up by then has something else; counted anew once it was seen up. */
const IN_A_ROW = 3;

export interface ReviverContext {
  platform: Pick<Platform, "revive">;
  workspace: string;
  emit: Emit;
  now: () => Date;
  /** Runs the work where nobody else is starting or stopping services. */
  alone: (work: () => Promise<void>) => Promise<void>;
}

export class Reviver {
  readonly #context: ReviverContext;
  readonly #tries = new Map<string, number>();
  readonly #notes = new Map<string, string>();

  constructor(context: ReviverContext) {
    this.#context = context;
  }

  /** Tries those that run and are not well, one after the other. Never rejects. */
  async look(services: readonly ServiceStatus[]): Promise<void> {
    for (const service of services) {
      const { name } = service;
      if (isUp(service)) this.#tries.delete(name);
      else if (service.state === "running" && (this.#tries.get(name) ?? 0) <= IN_A_ROW) await this.#revive(name);
    }
  }

  /** The services, each with what was done for it. */
  noted(services: readonly ServiceStatus[]): ServiceStatus[] {
    return services.map((service) => ({ ...service, ...(this.#notes.has(service.name) && { note: this.#notes.get(service.name) }) }));
  }

  async #revive(name: string): Promise<void> {
    const { platform, workspace, emit, now, alone } = this.#context;
    const tries = this.#tries.get(name) ?? 0;
    const work = async (): Promise<void> => {
      if (tries === IN_A_ROW) {
        this.#tries.set(name, IN_A_ROW + 1);
        const reason = `Its streams have ended for lack of topics, also after it was started again ${IN_A_ROW} times.`;
        const error = new AiryError("SERVICE_UNHEALTHY", { service: name, reason });
        return emit({ type: "warning", code: error.code, message: `${error.message} ${reason}`, action: `airy logs ${name}` });
      }
      if (!(await platform.revive?.(workspace, name))) return;
      this.#tries.set(name, tries + 1);
      const note = "started again by airy, because its streams had ended for lack of topics";
      this.#notes.set(name, `${note}, at ${now().toISOString()}`);
      emit({ type: "warning", code: "SERVICE_REVIVED", message: `${name} was ${note}.` });
    };
    await alone(work).catch((error: unknown) => {
      const failure = asAiryError(error);
      emit({ type: "warning", code: failure.code, message: `${name} could not be started again: ${failure.message} ${whyOf(failure)}` });
    });
  }
}
