/** Name -> what the command does, imported only when it runs: `airy --version` and `--help` load none of it. */
import type { Context } from "../context.ts";
import type { CommandName, Options } from "./table.ts";

type Run<N extends CommandName> = (options: Options<N>, ctx: Context) => Promise<void>;

export const load: { [N in CommandName]: () => Promise<Run<N>> } = {
  up: async () => (await import("./up.ts")).runUp,
  list: async () => (await import("./list.ts")).runList,
  url: async () => (await import("./url.ts")).runUrl,
  status: async () => (await import("./status.ts")).runStatus,
  wait: async () => (await import("./wait.ts")).runWait,
  attach: async () => (await import("./attach.ts")).runAttach,
  down: async () => (await import("./down.ts")).runDown,
  destroy: async () => (await import("./destroy.ts")).runDestroy,
  logs: async () => (await import("./logs.ts")).runLogs,
  webhook: async () => (await import("./webhook.ts")).runWebhook,
  trigger: async () => (await import("./trigger.ts")).runTrigger,
  open: async () => (await import("./open.ts")).runOpen,
  sandbox: async () => (await import("./sandbox.ts")).runSandbox,
  requests: async () => (await import("./requests.ts")).runRequests,
  replay: async () => (await import("./replay.ts")).runReplay,
  reprocess: async () => (await import("./reprocess.ts")).runReprocess,
  export: async () => (await import("./export.ts")).runExport,
  backup: async () => (await import("./backup.ts")).runBackup,
  restore: async () => (await import("./restore.ts")).runRestore,
  doctor: async () => (await import("./doctor.ts")).runDoctor,
  proxy: async () => (await import("./proxy.ts")).runProxy,
  edge: async () => (await import("./edge.ts")).runEdge,
  service: async () => (await import("./service.ts")).runService,
  config: async () => (await import("./config.ts")).runConfig,
  completion: async () => (await import("./completion.ts")).runCompletion,
  version: async () => (await import("./version.ts")).runVersion,
  internal: async () => (await import("./internal.ts")).runInternal,
};
