/**
 * The error catalogue of everything on the user's machine: a stable code for each failure, and for each code what happened, why we
 * think so, what to type next, and the exit code. A `reason` among the details is evidence that only the place of the failure knows,
 * one sentence written there; everything else that a user reads is here.
 */

type ErrorCategory =
  | "usage"
  | "input"
  | "config"
  | "docker"
  | "port"
  | "image"
  | "service"
  | "state"
  | "tunnel"
  | "probe"
  | "webhook"
  | "internal";

/** Details as they come out of JSON. */
export type Details = Record<string, string | number | boolean | null | string[] | undefined>;

/** What may be known of any failure, whatever its code: the service it is about, and the last lines of its log. */
interface Known {
  service?: string;
  log?: string[];
  /** The workspace has its messages in this engine, so that no other can take its place. */
  bound?: boolean;
}

interface Entry<D> {
  category: ErrorCategory;
  exit: number;
  retryable: boolean;
  /** What happened, one sentence. */
  what: (d: D) => string;
  /** The evidence. */
  why: (d: D) => string;
  /** Commands, or one sentence each where no command helps. */
  actions: (d: D) => string[];
}

/** @typeParam D the details that this code comes with; the texts can use nothing else, and {@link fail} demands them. */
function entry<D extends object = object>(texts: Entry<D & Known>): Entry<D & Known> {
  return texts;
}

/** What the Graph API answered. */
interface Refusal {
  appId: string;
  graphHost: string;
  callbackUrl: string | null;
  status: number;
  code: number;
  subcode: number | null;
  message: string;
  trace: string | null;
  /** Of a callback that Facebook could not verify: what it met there. */
  problem?: string;
  /** The status it answered, as far as Facebook says. */
  answered?: number | null;
}

/** A call that brought nothing usable: the network's code, or what came instead. */
interface Unanswered {
  cause?: string;
  status?: number;
  received?: string;
}

interface ProbeDetails extends Unanswered {
  url: string;
  host?: string;
  reason?: string;
  /** How the answer differed from the challenge; in place of `reason`. */
  problem?: string;
  /** The status it answered, as far as Facebook says. */
  answered?: number | null;
  edgeCode?: string | null;
}

/** What is typed next, by the code with which an edge has refused. */
const refusedAdvice: Readonly<Record<string, readonly string[]>> = {
  VERSION_TOO_OLD: ["git pull (in the folder of airy; it builds itself anew)", "airy version"],
  VERSION_TOO_NEW: ["airy version (for the edge's operator)"],
  NAME_RESERVED: ["airy-proxy PORT --name ANOTHER", "airy-proxy PORT (the name that follows from the key)"],
  NAME_INVALID: ["airy-proxy PORT --name ANOTHER", "airy-proxy PORT (the name that follows from the key)"],
  TOO_MANY_NAMES: ["airy-proxy PORT --name NAME (one that this key has)", "airy-proxy PORT --ephemeral"],
  TOO_MANY_CLAIMS: ["airy-proxy PORT --identity FILE (a key that has a name there)", "airy-proxy PORT --ephemeral"],
};

export const catalogue = {
  // --- usage (2): the command line itself ------------------------------------------------------------------------------------------
  /** `instead`: what to type for a word that other programs have. */
  UNKNOWN_COMMAND: entry<{ command: string; suggestion: string | null; instead?: string | null }>({
    category: "usage",
    exit: 2,
    retryable: false,
    what: (d) => `There is no command "${d.command}".`,
    why: (d) => {
      if (d.instead) return "airy has another word for it.";
      return d.suggestion ? `The nearest one is "${d.suggestion}".` : "It is not in the list of commands.";
    },
    actions: (d) => [d.instead ?? (d.suggestion ? `airy ${d.suggestion}` : "airy --help")],
  }),
  UNKNOWN_FLAG: entry<{ flag: string; command: string; suggestion: string | null }>({
    category: "usage",
    exit: 2,
    retryable: false,
    what: (d) => `There is no option ${d.flag} here.`,
    why: (d) => (d.suggestion ? `The nearest one is ${d.suggestion}.` : `${d.command ? `airy ${d.command}` : "airy"} does not have it.`),
    actions: (d) => [
      ...(d.command && d.suggestion ? [`airy ${d.command} ${d.suggestion}`] : []),
      d.command ? `airy ${d.command} --help` : "airy --help",
    ],
  }),
  INVALID_ARGUMENT: entry<{ command: string; reason: string; instead?: string }>({
    category: "usage",
    exit: 2,
    retryable: false,
    what: (d) => (d.command ? `The command line of airy ${d.command} is not right.` : "The command line is not right."),
    why: (d) => `${d.reason}`,
    actions: (d) => [...(d.instead ? [d.instead] : []), d.command ? `airy ${d.command} --help` : "airy --help"],
  }),

  // --- input (3): an answer is needed and nobody can be asked ----------------------------------------------------------------------
  CONFIRMATION_REQUIRED: entry<{ dir: string; declined: boolean }>({
    category: "input",
    exit: 3,
    retryable: false,
    what: (d) => (d.declined ? "Nothing was deleted." : `All messages and settings in ${d.dir} would be deleted for good.`),
    why: (d) => (d.declined ? "The answer was no." : "That needs consent: there is no terminal to ask on, and --yes was not given."),
    actions: () => ["airy destroy --yes (or AIRY_YES=1)"],
  }),
  NOT_BACKED_UP: entry<{ dir: string; reason: string }>({
    category: "input",
    exit: 3,
    retryable: false,
    what: (d) => `Nothing was deleted: the messages in ${d.dir} could not be backed up first.`,
    why: (d) => d.reason,
    actions: () => ["airy up, then airy destroy", "airy destroy --no-backup (deletes them for good)"],
  }),
  EDGE_UNCONFIRMED: entry<{ edge: string; file: string }>({
    category: "input",
    exit: 3,
    retryable: false,
    what: (d) => `The edge ${d.edge} was not connected to, because this workspace has never used it.`,
    why: (d) => `Only ${d.file} names it, and such a file may come with somebody else's repository; an edge reads every webhook.`,
    actions: (d) => [`airy up --edge ${d.edge} (or AIRY_EDGE=${d.edge}; once, from then on the file is enough)`, "airy up --sandbox"],
  }),
  SECRET_MISSING: entry<{ missing: string[]; present: string[]; source: string; variables: string[]; keys: string[] }>({
    category: "input",
    exit: 3,
    retryable: false,
    what: (d) => `The Facebook app is only half configured: ${list(d.missing)} missing.`,
    why: (d) => `${list(d.present)} given (${d.source}).`,
    actions: (d) => [
      `Set ${d.variables.join(" and ")} in the environment, or ${d.keys.join(" and ")} under components.sources.facebook in airy.yaml`,
      "airy up",
    ],
  }),
  INTERRUPTED: entry<{ signal: string }>({
    category: "input",
    exit: 130, // exitCode() puts the signal's own code in its place
    retryable: true,
    what: () => "Stopped before it was done.",
    why: (d) => `airy received ${d.signal}.`,
    actions: () => ["airy up", "airy down"],
  }),

  // --- config (4): configuration or credentials refused ----------------------------------------------------------------------------
  CONFIG_INVALID: entry<{ file: string; line: number | null; key: string | null; reason: string }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `${d.file}${d.line ? `, line ${d.line}` : ""} is not a valid configuration.`,
    why: (d) => (d.key ? `${d.key}: ${d.reason}` : `${d.reason}`),
    actions: (d) => [`Correct ${d.line ? `line ${d.line} of ` : ""}${d.file}`, "airy up"],
  }),
  KEYRING_UNREADABLE: entry<{ key: string; file: string; variable: string | null; reason: string }>({
    category: "config",
    exit: 4,
    retryable: true,
    what: (d) => `The secret ${d.key} cannot be had: ${d.file} says that it is in the keyring.`,
    why: (d) => d.reason,
    actions: (d) => [
      "Unlock the keyring, as the user who put it there",
      `airy config set ${d.key} (asks for it, and keeps it anew)`,
      ...(d.variable ? [`Set ${d.variable} in the environment`] : []),
    ],
  }),
  WORKSPACE_NOT_WRITABLE: entry<{ dir: string; reason: string }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `The workspace ${d.dir} cannot be used.`,
    why: (d) => `${d.reason}`,
    actions: () => ["airy up --workspace DIR"],
  }),
  WORKSPACE_OWNER: entry<{ dir: string; owner: number; uid: number }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `The workspace ${d.dir} belongs to another user.`,
    why: (d) => `airy was run there by the user with uid ${d.owner}${d.owner === 0 ? ", perhaps by sudo" : ""}; this is uid ${d.uid}.`,
    actions: (d) =>
      d.uid === 0
        ? [`Run airy as the user with uid ${d.owner}, without sudo`]
        : [
            d.owner === 0 ? "sudo airy down" : `As the user with uid ${d.owner}: airy down`,
            `Then, in ${d.dir}: sudo chown -R ${d.uid} airy.yaml .airy`,
          ],
  }),
  WORKSPACE_UNSUITABLE: entry<{ dir: string; reason: string }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `airy cannot keep its files in ${d.dir}.`,
    why: (d) => d.reason,
    actions: () => ["Use a folder on the system's own disk, in WSL one below ~ : airy up --workspace ~/airy"],
  }),
  STATE_HOME_UNUSABLE: entry<{ dir: string; reason: string }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `airy cannot keep its marks in ${d.dir}.`,
    why: (d) => `${d.reason} A mark there tells the workspaces that airy made from folders that somebody else has prepared.`,
    actions: () => ["Set XDG_STATE_HOME to a folder that can be written to and that stays", "airy up"],
  }),

  FOLDER_GONE: entry({
    category: "config",
    exit: 4,
    retryable: false,
    what: () => "The current folder does not exist any more.",
    why: () => "It was deleted, or made anew, after this shell went there.",
    actions: () => [
      "cd to a folder that exists (cd . when it was made anew)",
      "or name the workspace: --workspace DIR, with its whole path",
    ],
  }),

  // --- docker (10): the container runtime ------------------------------------------------------------------------------------------
  DOCKER_DOWN: entry<{ endpoint?: string; reason: string; start?: string }>({
    category: "docker",
    exit: 10,
    retryable: true,
    what: () => "No docker engine answers.",
    why: (d) => `${d.reason}`,
    actions: (d) => [d.start ?? "Start docker", ...withoutDocker(d)],
  }),
  DOCKER_DENIED: entry<{ endpoint: string; reason: string }>({
    category: "docker",
    exit: 10,
    retryable: false,
    what: () => "The docker engine refuses this user.",
    why: (d) => `${d.reason}`,
    actions: (d) => ["sudo usermod -aG docker $USER, then log in again", ...withoutDocker(d)],
  }),
  DOCKER_REMOTE: entry<{ endpoint: string }>({
    category: "docker",
    exit: 10,
    retryable: false,
    what: (d) => `The docker engine ${d.endpoint} is not on this machine.`,
    why: () => "Ports are published on 127.0.0.1 of the engine's machine, and secrets are files of this one: both have to be the same.",
    actions: (d) => ["docker context use default", ...withoutDocker(d)],
  }),
  COMPOSE_MISSING: entry<{ reason: string }>({
    category: "docker",
    exit: 10,
    retryable: false,
    what: () => "Docker Compose is missing.",
    why: (d) => `${d.reason}`,
    actions: (d) => ["Install Docker Compose 2.20.2 or later: https://docs.docker.com/compose/install/", ...withoutDocker(d)],
  }),
  COMPOSE_TOO_OLD: entry<{ found: string; needed: string }>({
    category: "docker",
    exit: 10,
    retryable: false,
    what: (d) => `Docker Compose ${d.found} is too old.`,
    why: (d) => `Version ${d.needed} or later is needed.`,
    actions: (d) => ["Install a newer Docker Compose: https://docs.docker.com/compose/install/", ...withoutDocker(d)],
  }),
  COMPOSE_FAILED: entry<{ command: string; reason: string }>({
    category: "docker",
    exit: 10,
    retryable: true,
    what: (d) => `docker compose ${d.command} failed.`,
    why: (d) => `${d.reason}`,
    actions: () => ["airy logs", "airy up"],
  }),

  ENGINE_ELSEWHERE: entry<{ before: string; now: string }>({
    category: "docker",
    exit: 10,
    retryable: false,
    what: (d) => `Another docker engine answers than the one that has this workspace: ${d.now}.`,
    why: (d) => `Its containers and messages are in the engine that was at ${d.before} when they were made. Nothing was changed.`,
    actions: (d) => [
      `Use that one again: docker context use, or DOCKER_HOST=${d.before}`,
      "airy up --adopt (go on with the engine that answers now, without the messages)",
    ],
  }),

  // --- port (11) -------------------------------------------------------------------------------------------------------------------
  PORT_TAKEN: entry<{ port: number; holder: string | null; command?: "sandbox" }>({
    category: "port",
    exit: 11,
    retryable: true,
    what: (d) => `Port ${d.port} is taken.`,
    why: (d) => (d.holder ? `It is held by ${d.holder}.` : "Another program listens there; its name cannot be seen by this user."),
    actions: (d) => (d.command ? [`airy ${d.command} --port N`] : ["airy up --port N", "or leave --port out: airy then finds a free one"]),
  }),

  LOOPBACK_UNUSABLE: entry<{ reason: string }>({
    category: "port",
    exit: 11,
    retryable: false,
    what: () => "The services of this machine cannot talk to each other over 127.0.0.1.",
    why: (d) => d.reason,
    actions: () => ["Bring the loopback interface up (Linux: ip link set lo up), or allow local connections in what guards this machine"],
  }),

  // --- image (12) ------------------------------------------------------------------------------------------------------------------
  IMAGE_PULL_FAILED: entry<{ image: string; reason: string }>({
    category: "image",
    exit: 12,
    retryable: true,
    what: (d) => `The image ${d.image} could not be pulled.`,
    why: (d) => `${d.reason}`,
    actions: (d) => [`docker pull ${d.image}`, ...withoutDocker(d)],
  }),
  IMAGES_MISSING: entry<{ images: string; count: number; of: number; reason: string }>({
    category: "image",
    exit: 12,
    retryable: true,
    what: (d) => `${d.count} of the ${d.of} images that Airy Core needs cannot be had: ${d.images}.`,
    why: (d) => d.reason,
    actions: (d) => [
      `docker pull ${d.images.split(", ")[0]} (by hand: it says more)`,
      "Name other places: AIRY_CORE_REGISTRY for a mirror, or the variable of an image in compose/core/images.env",
      "airy up --edition basic",
    ],
  }),
  IMAGE_BUILD_FAILED: entry<{ image: string; reason: string }>({
    category: "image",
    exit: 12,
    retryable: true,
    what: (d) => `The image ${d.image} could not be built.`,
    why: (d) => `${d.reason}`,
    actions: (d) => ["airy up", ...withoutDocker(d)],
  }),

  // --- service (13): a service failed or is not ready in time ----------------------------------------------------------------------
  SERVICE_EXITED: entry<{ service: string; exitCode?: number | null; signal?: string | null; reason?: string }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: (d) =>
      `The service ${d.service} stopped${d.exitCode === undefined || d.exitCode === null ? "" : ` with exit code ${d.exitCode}`}${d.signal ? ` on ${d.signal}` : ""}.`,
    why: (d) => (d.reason ? `${d.reason}` : "Its last log lines are shown below."),
    actions: (d) => [`airy logs ${d.service}`],
  }),
  SERVICE_UNHEALTHY: entry<{ service: string; reason: string }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: (d) => `The service ${d.service} is not healthy.`,
    why: (d) => `${d.reason}`,
    actions: (d) => [`airy logs ${d.service}`],
  }),
  POSTGRES_MISSING: entry<{ package: string }>({
    category: "service",
    exit: 13,
    retryable: false,
    what: () => "The database programs for this system are not installed.",
    why: (d) => `The npm package ${d.package} was not found; it is an optional dependency and there is one for each supported system.`,
    actions: () => ["npm ci --include=optional", "airy up --engine docker"],
  }),
  /** `nameless`: the number of a user who has no name here. */
  POSTGRES_UNUSABLE: entry<{ reason: string; root: boolean; nameless?: number }>({
    category: "service",
    exit: 13,
    retryable: false,
    what: () => "The database programs do not run here.",
    why: (d) => `${d.root ? "Postgres refuses to run as root, and no way of running it as somebody else worked: " : ""}${d.reason}`,
    actions: (d) => [
      ...(d.root ? ["Run airy as an ordinary user"] : []),
      ...(d.nameless === undefined ? [] : [`Give the user a name: echo "airy:x:${d.nameless}:0::/tmp:/bin/sh" >>/etc/passwd, as root`]),
      "airy up --engine docker",
    ],
  }),
  POSTGRES_INIT_FAILED: entry<{ reason: string }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: () => "The database could not be created.",
    why: (d) => `${d.reason}`,
    actions: () => ["airy logs postgres", "airy up"],
  }),
  POSTGRES_OWNER: entry<{ dir: string; owner: number; uid: number | null }>({
    category: "service",
    exit: 13,
    retryable: false,
    what: (d) => `The database in ${d.dir} belongs to another user.`,
    why: (d) => `Its owner has uid ${d.owner}, this is uid ${d.uid}; airy was run as that user (or with sudo) before.`,
    actions: (d) => [`sudo chown -R ${d.uid} ${d.dir}`, "airy up"],
  }),
  POSTGRES_FILESYSTEM: entry<{ dir: string }>({
    category: "service",
    exit: 13,
    retryable: false,
    what: (d) => `The database cannot keep its files in ${d.dir}.`,
    why: () =>
      "That file system does not keep permissions (a Windows drive in WSL, for example), and Postgres insists on files nobody else can open.",
    actions: () => ["airy up --workspace DIR (in your home folder)", "airy up --engine docker"],
  }),
  POSTGRES_DATA_VERSION: entry<{ dir: string; found: string; known: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => `The database in ${d.dir} is of Postgres ${d.found}; this airy brings Postgres ${d.known}.`,
    why: () => "Postgres does not open data of another major version, and airy does not convert it by itself. Nothing was changed.",
    actions: () => ["Use the airy that wrote it", "airy destroy && airy up (starts empty)"],
  }),
  DATA_NEWER: entry<{ reason: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: () => "The messages of this workspace were written by a newer airy.",
    why: (d) => `${d.reason}`,
    actions: () => ["Use the newer airy again", "airy destroy && airy up (starts empty)"],
  }),
  POSTGRES_PASSWORD: entry<{ dir: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => `The database in ${d.dir} does not accept the password of this workspace.`,
    why: () => "Either the secrets in .airy or the data were replaced since it was created. Nothing was changed.",
    actions: () => ["Put the secrets and the data of the same time back together", "airy destroy && airy up (starts empty)"],
  }),
  READY_TIMEOUT: entry<{ seconds: number; waitingFor: string }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: (d) => `Not ready after ${d.seconds} s.`,
    why: (d) => `It was waiting for: ${d.waitingFor}.`,
    actions: () => ["airy status", "airy logs", "airy up --timeout 300"],
  }),
  WAIT_TIMEOUT: entry<{ seconds: number; wanted: string; seen: string }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: (d) => `${d.wanted} after ${d.seconds} s.`,
    why: (d) => `${d.seen}`,
    actions: () => ["airy status", "airy logs", "airy wait --timeout 600"],
  }),
  AGENT_EXITED: entry<{ reason: string }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: () => "The background process of this workspace stopped unexpectedly.",
    why: (d) => `${d.reason}`,
    actions: () => ["airy logs agent", "airy up"],
  }),
  SERVICE_MANAGER: entry<{ command: string; reason: string }>({
    category: "service",
    exit: 13,
    retryable: false,
    what: (d) => `${d.command} failed.`,
    why: (d) => `${d.reason.replace(/\.+$/, "")}. A container or a login by su has no service manager of the user.`,
    actions: () => [
      "Log in as the user itself, then: airy service install",
      "airy service run (in the foreground, for another service manager)",
    ],
  }),
  NOT_RUNNING: entry<{ workspace: string; sandbox?: boolean }>({
    category: "service",
    exit: 13,
    retryable: false,
    what: () => "Airy is not running in this workspace.",
    why: (d) => `Nothing answers for ${d.workspace}.`,
    actions: (d) => [d.sandbox ? "airy up --sandbox" : "airy up"],
  }),

  PLATFORM_REFUSED: entry<{ command: string; reason: string }>({
    category: "service",
    exit: 13,
    retryable: false,
    what: (d) => `The platform did not finish airy ${d.command}.`,
    why: (d) => d.reason,
    actions: () => ["airy status", "airy logs platform"],
  }),
  BACKUP_FILE: entry<{ file: string; reason: string; there?: boolean }>({
    category: "usage",
    exit: 2,
    retryable: false,
    what: (d) => `${d.file} ${d.there ? "is there already" : "cannot be used for a backup"}.`,
    why: (d) => d.reason,
    actions: () => ["airy backup --file OTHER"],
  }),

  AGENT_SILENT: entry<{ pid: number }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: (d) => `The background process of this workspace does not answer (pid ${d.pid}).`,
    why: () => "It lives, and said nothing for 3 s: it was halted (SIGSTOP, a debugger, a frozen container), or it hangs.",
    actions: (d) => [`kill -CONT ${d.pid} (goes on, if it was halted)`, "airy up (ends it and starts again)"],
  }),

  // --- state (14): what is there already does not fit ------------------------------------------------------------------------------
  LOCKED: entry<{ command: string; pid: number; file: string; since: string; started?: string }>({
    category: "state",
    exit: 14,
    retryable: true,
    what: (d) => `Another airy ${d.command} is at work in this workspace.`,
    why: (d) => `Process ${d.pid} has held ${d.file} since ${d.since}.`,
    actions: () => ["Wait for it, then: airy status"],
  }),
  ENGINE_CONFLICT: entry<{ stored: string; asked: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => `This workspace belongs to the ${d.stored} engine; ${d.asked} was asked for.`,
    why: (d) => `Its messages are in the ${d.stored} engine's database, and the other engine would start with an empty one.`,
    actions: (d) => ["airy up", `airy destroy && airy up --engine ${d.asked}`],
  }),
  EDITION_NEEDS_DOCKER: entry<{ stored: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: () => "Airy Core runs under docker compose alone.",
    why: (d) => (d.stored ? `The messages of this workspace are in the ${d.stored} engine.` : "Another engine was asked for."),
    actions: () => ["airy up --edition core --workspace DIR", "airy up --edition basic"],
  }),
  MODE_CONFLICT: entry<{ sandbox: boolean; asked: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => (d.sandbox ? "A sandbox runs in this workspace." : "This workspace runs, and not as a sandbox."),
    why: (d) => `${d.asked} would replace what runs.`,
    actions: (d) => ["airy down", `airy up ${d.asked}`],
  }),
  STATE_UNSAFE: entry<{ file: string; reason: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => `${d.file} is not what airy made; nothing was read, written or deleted.`,
    why: (d) => d.reason,
    actions: (d) => [`Look at ${d.file}, and remove it if it is not yours`, "airy up --workspace DIR (another folder)"],
  }),
  WORKSPACE_UNKNOWN: entry<{ dir: string; marks: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => `airy does not know ${d.dir}; nothing in it was used, changed or deleted.`,
    why: (d) =>
      `No mark in ${d.marks} says that airy made it on this machine for this user. It may have come with somebody else's files; ` +
      "an airy older than these marks, another home folder or a new container leave none either.",
    actions: (d) => [
      "airy up --adopt (only if it is yours: messages and public name are kept)",
      `Remove or rename ${d.dir} if it is not, then: airy up`,
      "In containers: keep XDG_STATE_HOME on a volume, or set AIRY_ADOPT=1",
    ],
  }),
  WORKSPACE_COPY: entry<{ dir: string; original: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => `${d.dir} is a copy of the workspace ${d.original}; nothing was done.`,
    why: () => "Its key, public name, ports and background process are those of the original, which is still there.",
    actions: (d) => ["airy up (makes it a workspace of its own)", `airy status --workspace ${d.original}`],
  }),
  STATE_UNREADABLE: entry<{ file: string; reason: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => `${d.file} cannot be read.`,
    why: (d) => `${d.reason}`,
    actions: (d) => [`Look at ${d.file}; airy wrote it and nothing else should`, "airy destroy"],
  }),
  UPGRADE_REQUIRED: entry<{ file: string; found: number; known: number }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => `${d.file} was written by a newer airy.`,
    why: (d) => `It has version ${d.found}; this airy knows version ${d.known}.`,
    actions: () => ["airy version", "Use the newer airy again"],
  }),
  DATA_OF_BEFORE: entry<{ dir: string; project: string; volume: string }>({
    category: "state",
    exit: 14,
    retryable: false,
    what: (d) => `Messages of an earlier workspace in ${d.dir} are in the docker volume ${d.volume}.`,
    why: () => "What it knew of itself, in .airy, was deleted; its containers and data were not.",
    actions: (d) => [
      "airy up --adopt (goes on with these messages)",
      `docker compose --project-name ${d.project} down --volumes (deletes them), then: airy up`,
    ],
  }),
  NO_SANDBOX: entry({
    category: "state",
    exit: 14,
    retryable: false,
    what: () => "There is no stand-in for Facebook here to write through.",
    why: () => "This workspace does not run with --sandbox.",
    actions: () => ["airy down", "airy up --sandbox"],
  }),

  OUTPUT_LOST: entry<{ reason: string }>({
    category: "state",
    exit: 14,
    retryable: true,
    what: () => "What airy prints cannot be written, so it has stopped.",
    why: (d) => d.reason,
    actions: () => ["Make room where stdout leads, then repeat the command"],
  }),

  // --- tunnel (20) -----------------------------------------------------------------------------------------------------------------
  SSH_UNREACHABLE: entry<{ edge: string; reason: string }>({
    category: "tunnel",
    exit: 20,
    retryable: true,
    what: (d) => `The edge ${d.edge} cannot be reached.`,
    why: (d) => `${d.reason}`,
    actions: () => ["airy up --edge HOST[:PORT]", "airy up --sandbox"],
  }),
  SSH_AUTH: entry<{ edge: string; reason: string }>({
    category: "tunnel",
    exit: 20,
    retryable: false,
    what: (d) => `The edge ${d.edge} refuses the key of this workspace.`,
    why: (d) => `${d.reason}`,
    actions: () => ["Ask the operator of the edge to admit the key", "airy up --edge HOST[:PORT]"],
  }),
  HOST_KEY_CHANGED: entry<{ edge: string; expected: string; got: string; file?: string | null }>({
    category: "tunnel",
    exit: 20,
    retryable: false,
    what: (d) => `The edge ${d.edge} shows another host key than before; it was not connected to.`,
    why: (d) => `Expected ${d.expected}, got ${d.got}. Somebody may be in between, or the edge was set up anew.`,
    actions: (d) => [`If the change is right, delete ${d.file ?? "the pinned key"} and repeat`],
  }),

  EDGE_REFUSED: entry<{ edge: string; code: string; reason: string }>({
    category: "tunnel",
    exit: 20,
    retryable: false,
    what: (d) => `The edge ${d.edge} refuses the tunnel (${d.code}).`,
    why: (d) => `${d.reason}`,
    actions: (d) => [...(refusedAdvice[d.code] ?? ["airy doctor"]), "airy-proxy PORT --edge HOST[:PORT] (another edge)"],
  }),
  FORWARD_REFUSED: entry<{ edge: string; port: number; reason: string }>({
    category: "tunnel",
    exit: 20,
    retryable: false,
    what: (d) => `The SSH server ${d.edge} does not forward its port ${d.port} to this machine.`,
    why: (d) => `${d.reason}. The port may be taken, below 1024 and not the user's to open, or forwarding is switched off there.`,
    actions: () => [
      "airy-proxy PORT --edge USER@HOST --remote-port 8080 --public-url https://HOST",
      "sshd -T | grep -i -e allowtcpforwarding -e permitlisten",
    ],
  }),
  PUBLIC_URL_UNKNOWN: entry<{ edge: string }>({
    category: "tunnel",
    exit: 20,
    retryable: false,
    what: (d) => `The SSH server ${d.edge} has not said under which URL it publishes this machine.`,
    why: () => "It forwards the port, but printed no URL in a line about it.",
    actions: () => ["airy-proxy PORT --edge USER@HOST --public-url https://HOST"],
  }),
  NAME_TAKEN: entry<{ edge: string; name?: string | null }>({
    category: "tunnel",
    exit: 20,
    retryable: false,
    what: (d) => `The edge ${d.edge} has given the name ${d.name ?? "of this key"} to another key.`,
    why: () => "A name belongs to the key that claimed it first.",
    actions: () => ["Use the key that claimed the name: airy-proxy PORT --identity FILE"],
  }),
  TAKEN_OVER: entry<{ identifier: string | null }>({
    category: "tunnel",
    exit: 20,
    retryable: false,
    what: (d) => `Another client with the same key serves ${d.identifier} now, so this one has stopped.`,
    why: () => "The edge closed this connection because a newer one was made with the same key.",
    actions: () => ["Stop the other client, then start this one again", "airy-proxy PORT --identity OTHER_FILE"],
  }),
  /** `none`: there is no key yet, and none can be made. */
  IDENTITY_UNREADABLE: entry<{ file: string; reason: string; mode?: boolean; none?: boolean }>({
    category: "tunnel",
    exit: 20,
    retryable: false,
    what: (d) => (d.none ? `No private key can be kept at ${d.file}.` : `The private key ${d.file} cannot be used.`),
    why: (d) => `${d.reason}`,
    actions: (d) => {
      if (d.mode) return [`chmod 600 ${d.file}`];
      if (d.none)
        return ["airy-proxy PORT --identity FILE (a file where you may write)", "airy-proxy PORT --ephemeral (a name of the moment)"];
      return [`Put the right key at ${d.file}, or move it away to get a new one (and a new public URL)`];
    },
  }),
  TUNNEL_NOT_OPEN: entry<{ edge: string; state: string }>({
    category: "tunnel",
    exit: 20,
    retryable: true,
    what: (d) => `The edge ${d.edge} cannot be asked, because the tunnel is not open.`,
    why: (d) => `Its state is ${d.state}.`,
    actions: () => ["airy status", "airy up"],
  }),
  EDGE_START: entry<{ code: string; reason: string }>({
    category: "tunnel",
    exit: 20,
    retryable: false,
    what: () => "The edge could not be started.",
    why: (d) => `${d.reason}`,
    actions: (d) => [startAdvice[d.code] ?? "airy edge --check (says what is wrong, and starts nothing)", "airy edge --help"],
  }),

  // --- probe (21): the public URL does not lead to the platform --------------------------------------------------------------------
  PROBE_FAILED: entry<ProbeDetails>({
    category: "probe",
    exit: 21,
    retryable: true,
    what: (d) => `${d.url} does not lead to the platform.`,
    why: (d) => (d.reason ? `${d.reason}` : probeEvidence(d)),
    actions: () => ["airy logs agent", "airy logs platform", "airy up"],
  }),

  // --- webhook (22) ----------------------------------------------------------------------------------------------------------------
  FB_APP_REJECTED: entry<Partial<Refusal> & { appId: string; otherApp?: string }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `Facebook does not accept the App ID ${d.appId} with this App Secret.`,
    why: (d) => (d.otherApp ? `Asked whose credentials these are, Facebook named the app ${d.otherApp}.` : facebookSaid(d)),
    actions: () => [`Copy App ID and App Secret again: ${APP_SETTINGS}`, "airy up"],
  }),
  FB_SECRET_WRONG: entry<Refusal>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `The App Secret is not that of the app ${d.appId}.`,
    why: (d) => facebookSaid(d),
    actions: () => [`Copy the App Secret again (Show, then the whole of it): ${APP_SETTINGS}`, "airy up"],
  }),
  FB_APP_UNKNOWN: entry<Refusal>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `Facebook knows no app ${d.appId}.`,
    why: (d) => facebookSaid(d),
    actions: () => [
      `Copy the App ID again: ${APP_SETTINGS}`,
      "The Instagram app ID (Instagram > API setup) is another number and does not work here: the app's own is at the top of its dashboard",
      "airy up",
    ],
  }),
  FB_APP_INSTAGRAM: entry<{ appId: string; said: string }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `${d.appId} is the ID of an Instagram app, and not of the Facebook app that it belongs to.`,
    why: (d) => `Facebook knows no such app, and Instagram does. Facebook said: ${d.said}`,
    actions: () => [
      `Take App ID and App Secret from the app itself, not from Instagram > API setup: ${APP_SETTINGS}`,
      "airy up (Instagram's messages come through the Facebook page that the account belongs to)",
    ],
  }),
  FB_ADDRESS_REFUSED: entry<Refusal>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `The app ${d.appId} takes calls from certain addresses only, and this machine's is not one of them.`,
    why: (d) => facebookSaid(d),
    actions: () => [
      "Add this machine's public address, or empty the list: developers.facebook.com > your app > App settings > Advanced > Server IP allowlist",
      "airy up",
    ],
  }),
  FB_CREDENTIALS_IMPOSSIBLE: entry<{ key: string; variable: string; reason: string }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `What is given as ${d.variable} cannot be one. Facebook was not called.`,
    why: (d) => `${d.reason}`,
    actions: (d) => [
      `Copy it again: ${APP_SETTINGS}; it is components.sources.facebook.${d.key} in airy.yaml, or ${d.variable}`,
      "airy up",
    ],
  }),
  FB_TOKEN_DEAD: entry<Refusal>({
    category: "config",
    exit: 4,
    retryable: false,
    what: () => "Facebook does not take the token any more.",
    why: (d) => `${tokenEnd(d.subcode)} ${facebookSaid(d)}`,
    actions: () => [
      "Make a new user token: developers.facebook.com > Tools > Graph API Explorer",
      "FACEBOOK_USER_TOKEN=... airy webhook connect",
    ],
  }),
  FB_PAGE_TOKEN: entry<Refusal>({
    category: "config",
    exit: 4,
    retryable: false,
    what: () => "Facebook wants a page's token for this, and was sent another kind.",
    why: (d) => `App ID and App Secret are right. ${facebookSaid(d)}`,
    actions: () => ["FACEBOOK_USER_TOKEN=... airy webhook connect --page ID (or AIRY_PAGE=ID)"],
  }),
  FB_PROOF: entry<Refusal>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `Facebook does not accept the proof that the app ${d.appId} knows its secret.`,
    why: (d) => `A proof made with the App Secret was sent, with and without the time. ${facebookSaid(d)}`,
    actions: () => [`Copy the App Secret again: ${APP_SETTINGS}`, "Check this machine's clock", "airy up"],
  }),
  FB_PARAMETER: entry<Refusal>({
    category: "webhook",
    exit: 22,
    retryable: false,
    what: () => "Facebook did not accept a value that was sent to it.",
    why: (d) => facebookSaid(d),
    actions: () => ["Repeating it does not help: the app may lack the product or the field that the message names", "airy webhook status"],
  }),
  FB_CAPABILITY: entry<Refusal>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `The Facebook app ${d.appId} lacks the product that this needs.`,
    why: (d) => facebookSaid(d),
    actions: () => ["Add the product Messenger to the app: developers.facebook.com > your app > Add product", "airy up"],
  }),
  FB_PERMISSION: entry<Refusal>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `A permission is missing for the app ${d.appId}.`,
    why: (d) => facebookSaid(d),
    actions: () => [
      "Give the app pages_show_list, pages_manage_metadata and pages_messaging, and make a new user token: one keeps the permissions it was made with",
      "FACEBOOK_USER_TOKEN=... airy webhook connect",
    ],
  }),
  FB_BLOCKED: entry<Refusal>({
    category: "webhook",
    exit: 22,
    retryable: false,
    what: (d) => `Facebook has blocked this for the app ${d.appId}, or its page, because of its policies.`,
    why: (d) => `This is no limit that passes with fewer calls. ${facebookSaid(d)}`,
    actions: (d) => [
      "Look for a notice: developers.facebook.com > your app > Alerts, and the page's Support Inbox",
      ...(d.callbackUrl ? ["The edge's name may have been flagged: use an edge under a domain of your own (docs/edge.md)"] : []),
    ],
  }),
  FB_HTTPS_REQUIRED: entry<{ callbackUrl: string; graphHost: string }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `Facebook was not told about ${d.callbackUrl}: it delivers to https addresses with a valid certificate only.`,
    why: (d) => `The edge of this tunnel serves plain http, and ${d.graphHost} is not on this machine. Facebook was not called.`,
    actions: () => ["airy up --edge HOST[:PORT] (an edge that serves https)", "airy up --sandbox"],
  }),
  FB_GRAPH_URL_INSECURE: entry<{ graphHost: string }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `The App Secret is not sent to ${d.graphHost} over plain http.`,
    why: () => "AIRY_GRAPH_URL begins with http:, and its host is neither this machine nor a service beside it.",
    actions: () => ["Set AIRY_GRAPH_URL to an https address, or leave it out for Facebook's own", "airy up"],
  }),
  FB_UNREACHABLE: entry<Unanswered & { graphHost: string }>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: (d) => `${d.graphHost} gave no usable answer.`,
    why: (d) => networkCause(d),
    actions: () => ["airy up", "https://metastatus.com shows whether Facebook has a disturbance"],
  }),
  FB_UNAVAILABLE: entry<Refusal>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: () => "Facebook has a disturbance: it answered that it cannot do this at present.",
    why: (d) => `It was asked several times. ${facebookSaid(d)}`,
    actions: () => ["airy up (in some minutes)", "https://metastatus.com shows whether Facebook has a disturbance"],
  }),
  FB_INTERCEPTED: entry<{ graphHost: string; status: number; received: string; location: string }>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: (d) => `Something between this machine and ${d.graphHost} answered in Facebook's place.`,
    why: (d) =>
      d.location
        ? `The answer has status ${d.status} and leads to ${d.location}.`
        : `The answer has status ${d.status} and is no JSON.${d.received ? ` It begins: ${d.received}` : " It is empty."}`,
    actions: () => ["Open a web page in a browser: a network may want a login first", "Check HTTPS_PROXY", "airy up"],
  }),
  FB_ANSWER_ODD: entry<{ graphHost: string; status: number; received: string }>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: (d) => `${d.graphHost} answered something that is not in Facebook's documentation.`,
    why: (d) => `Status ${d.status}: ${d.received}`,
    actions: () => ["airy webhook status", "airy up"],
  }),
  FB_RATE_LIMITED: entry<Refusal>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: (d) => `Facebook wants fewer calls from the app ${d.appId}.`,
    why: (d) => facebookSaid(d),
    actions: () => ["Wait an hour; every further call makes it longer", "airy up"],
  }),
  FB_ERROR: entry<Refusal>({
    category: "webhook",
    exit: 22,
    retryable: false,
    what: () => "Facebook refused the request.",
    why: (d) => facebookSaid(d),
    actions: () => ["airy webhook status", "airy up"],
  }),
  FB_VERIFY_FAILED: entry<Refusal>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: (d) => `Facebook could not verify ${d.callbackUrl}.`,
    why: (d) => `${verifyEvidence(d.problem)} The same request from this machine was answered well. ${facebookSaid(d)}`,
    actions: (d) => verifyActions(d.problem, d.answered ?? null),
  }),
  FB_READBACK: entry<{ callbackUrl: string; current: string | null; active: boolean | null; missing: string[] }>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: () => "Facebook confirmed the webhook, but does not show it as it was registered.",
    why: (d) =>
      `Registered was ${d.callbackUrl}; read back was ${d.current ?? "nothing"}${d.active === false ? ", not active" : ""}${
        d.missing.length > 0 ? `, without the fields ${d.missing.join(", ")}` : ""
      }.`,
    actions: () => ["airy webhook status (it may show a minute later)", "airy up"],
  }),
  WEBHOOK_FOREIGN: entry<{ appId: string; object: string; current: string | null; callbackUrl: string }>({
    category: "webhook",
    exit: 22,
    retryable: false,
    what: (d) => `The Facebook app ${d.appId} already delivers to an address that is not from this workspace; it was left alone.`,
    why: (d) => `Its webhook for ${d.object} is ${d.current}. An app has one address for each object, and this one may be in use.`,
    actions: (d) => [
      `airy up --replace-webhook (or AIRY_REPLACE_WEBHOOK=1; from then on Facebook delivers to ${d.callbackUrl}, and no longer to the other)`,
      "Use a Facebook app of its own for tests",
    ],
  }),
  WEBHOOK_NOT_OURS: entry<{ object: string; current: string }>({
    category: "webhook",
    exit: 22,
    retryable: false,
    what: (d) => `The webhook for ${d.object} was left as it is, because it is not this workspace's any more.`,
    why: (d) => `It points to ${d.current}.`,
    actions: () => ["airy webhook status"],
  }),
  WEBHOOK_TOKEN_NEEDED: entry<{ object: string; previous: string }>({
    category: "input",
    exit: 3,
    retryable: false,
    what: (d) => `${d.previous} was not put back as the webhook for ${d.object}: its verify token is needed.`,
    why: () => "Facebook verifies the address again when it is registered, and never gives out the verify token that it had.",
    actions: () => ["AIRY_VERIFY_TOKEN=... airy webhook restore"],
  }),
  WEBHOOK_OLD_DEAD: entry<{ object: string; previous: string; reason: string }>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: (d) => `${d.previous} was not put back as the webhook for ${d.object}: it does not answer as Facebook will want it to.`,
    why: (d) => `Asked from here, with that verify token. ${d.reason}`,
    actions: () => ["Start what was at that address, and check its verify token", "AIRY_VERIFY_TOKEN=... airy webhook restore"],
  }),
  APP_UNCONFIGURED: entry({
    category: "input",
    exit: 3,
    retryable: false,
    what: () => "No Facebook app is configured.",
    why: () => "Neither airy.yaml nor FACEBOOK_APP_ID and FACEBOOK_APP_SECRET name one, and no sandbox runs here.",
    actions: () => ["FACEBOOK_APP_ID=... FACEBOOK_APP_SECRET=... airy up", "airy up --sandbox"],
  }),
  USER_TOKEN_NEEDED: entry({
    category: "input",
    exit: 3,
    retryable: false,
    what: () => "To connect a page, a token of its owner is needed.",
    why: () => "FACEBOOK_USER_TOKEN is not set.",
    actions: () => [
      "Make one: developers.facebook.com > Tools > Graph API Explorer > your app > Generate Access Token, with pages_show_list, pages_manage_metadata and pages_messaging",
      "FACEBOOK_USER_TOKEN=... airy webhook connect",
    ],
  }),
  USER_PERMISSIONS: entry<{ missing: string[] }>({
    category: "config",
    exit: 4,
    retryable: false,
    what: (d) => `The user token lacks ${list(d.missing).replace(/ (is|are)$/, "")}.`,
    why: () => "Without, Facebook neither lists pages nor delivers their messages. A token keeps the permissions it was made with.",
    actions: () => [
      "Make a new one with all three of pages_show_list, pages_manage_metadata and pages_messaging: developers.facebook.com > Tools > Graph API Explorer",
      "FACEBOOK_USER_TOKEN=... airy webhook connect",
    ],
  }),
  PAGE_UNCHOSEN: entry<{ pages: string; asked: string | null }>({
    category: "input",
    exit: 3,
    retryable: false,
    what: (d) => (d.asked === null ? "It has to be said which page is meant." : `The page ${d.asked} is not among those of this user.`),
    why: (d) => (d.pages === "" ? "The user token leads to no page at all." : `There are: ${d.pages}.`),
    actions: (d) =>
      d.pages === ""
        ? ["Choose the pages when the token is made: Facebook asks which ones the app may use"]
        : ["FACEBOOK_USER_TOKEN=... airy webhook connect --page ID"],
  }),
  FB_CONNECT_FAILED: entry<Unanswered & { pageId: string; host?: string; message?: string | null }>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: (d) => `The page ${d.pageId} could not be connected to the platform.`,
    why: (d) => (d.cause ? networkCause(d) : `The platform answered ${d.status}${d.message ? `: ${d.message}` : ""}.`),
    actions: () => ["airy logs platform", "airy up"],
  }),
  REQUEST_UNKNOWN: entry<{ id: string }>({
    category: "input",
    exit: 3,
    retryable: false,
    what: (d) => `Of the request ${d.id} nothing is kept.`,
    why: () => "The last 500 requests since the start are, as far as their bodies fit into memory, and none with --no-inspect.",
    actions: () => ["airy requests"],
  }),
  REQUEST_CUT: entry<{ id: string }>({
    category: "input",
    exit: 3,
    retryable: false,
    what: (d) => `The request ${d.id} cannot be sent again as it was.`,
    why: () => "Its body is larger than what is kept of one (256 KB).",
    actions: (d) => [`airy replay ${d.id} --edit FILE`],
  }),
  REPLAY_FAILED: entry<Unanswered & { host: string }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: () => "The request was sent again, and nothing answered.",
    why: (d) => networkCause(d),
    actions: () => ["airy status"],
  }),
  TRIGGER_NOT_SUBSCRIBED: entry<{ message: string; layer: string | null }>({
    category: "webhook",
    exit: 22,
    retryable: true,
    what: () => "Nobody would receive this message, so it was not written.",
    why: (d) => `${d.message}`,
    actions: (d) =>
      d.layer?.endsWith("-field")
        ? ["airy trigger --list shows samples; those are sent whatever is subscribed: airy trigger --fixture NAME"]
        : ["airy status", "airy up --sandbox"],
  }),
  TRIGGER_REFUSED: entry<{ status: number; message: string }>({
    category: "input",
    exit: 3,
    retryable: false,
    what: () => "The stand-in for Facebook refused the message.",
    why: (d) => (d.message ? `${d.message.replace(/\.+$/, "")} (status ${d.status}).` : `It answered ${d.status}.`),
    actions: () => ["airy trigger --help", "airy status"],
  }),
  TRIGGER_VIA_FAILED: entry<Unanswered & { host: string }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: () => "The webhook does not answer.",
    why: (d) => networkCause(d),
    actions: () => ["airy status"],
  }),
  TRIGGER_NO_SECRET: entry({
    category: "config",
    exit: 4,
    retryable: false,
    what: () => "There is no app secret to sign with.",
    why: () => "Neither airy.yaml nor FACEBOOK_APP_ID and FACEBOOK_APP_SECRET name an app, and no sandbox runs here.",
    actions: () => ["FACEBOOK_APP_ID=... FACEBOOK_APP_SECRET=... airy trigger message --via URL", "airy up --sandbox"],
  }),
  SANDBOX_START: entry<{ reason: string }>({
    category: "service",
    exit: 13,
    retryable: false,
    what: () => "The stand-in for Facebook could not be started.",
    why: (d) => `${d.reason}`,
    actions: () => ["airy sandbox --data DIR", "airy sandbox --help"],
  }),
  SANDBOX_UNREACHABLE: entry<Unanswered & { host: string }>({
    category: "service",
    exit: 13,
    retryable: true,
    what: () => "The stand-in for Facebook does not answer.",
    why: (d) => networkCause(d),
    actions: () => ["airy status", "airy up --sandbox"],
  }),

  // --- internal (1) ----------------------------------------------------------------------------------------------------------------
  INTERNAL: entry<{ reason: string; log?: string[] }>({
    category: "internal",
    exit: 1,
    retryable: false,
    what: () => "airy ran into a bug of its own.",
    why: (d) => `${d.reason}`,
    actions: (d) => (d.log ? [`airy logs`, `The log file is ${d.log}`] : ["Please report this with the output above."]),
  }),
} as const;

export type ErrorCode = keyof typeof catalogue;
type DetailsOf<C extends ErrorCode> = (typeof catalogue)[C] extends Entry<infer D> ? D : never;
/** Details can be left out where the code needs none. */
type Given<C extends ErrorCode> =
  object extends DetailsOf<C> ? [details?: DetailsOf<C>, options?: ErrorOptions] : [details: DetailsOf<C>, options?: ErrorOptions];

/** The `error` member of the JSON envelope. */
export interface ErrorBody {
  code: ErrorCode;
  category: ErrorCategory;
  message: string;
  retryable: boolean;
  details: Details;
  actions: string[];
}

/** A failure with a code of the catalogue; thrown by {@link fail}, turned into text or JSON in `cli/report`. */
export class AiryError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "AiryError";
  readonly code: ErrorCode;
  readonly details: Details;

  constructor(code: C, ...[details, options]: Given<C>) {
    const known = (details ?? {}) as Details;
    super(textsOf(code).what(known), options);
    this.code = code;
    this.details = known;
  }
}

/** Throws an {@link AiryError}. */
export function fail<C extends ErrorCode>(code: C, ...given: Given<C>): never {
  throw new AiryError(code, ...given);
}

/** The same failure with more details, of which `log` and `service` are shown. */
export function withDetails(error: AiryError, more: Known): AiryError {
  return remade(error.code, { ...error.details, ...more }, { cause: error });
}

/** Details that were checked when the error was first made. */
function remade(code: ErrorCode, details: Details, options?: ErrorOptions): AiryError {
  return new AiryError<ErrorCode>(code, ...([details, options] as unknown as Given<ErrorCode>));
}

/** Where the code, and with it the type of the details, is known at run time only. */
function textsOf(code: ErrorCode): Entry<Details> {
  return catalogue[code] as unknown as Entry<Details>;
}

/** Anything thrown as an {@link AiryError}; what is not one already is a bug of ours. */
export function asAiryError(error: unknown): AiryError {
  if (error instanceof AiryError) return error;
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new AiryError("INTERNAL", { reason }, { cause: error });
}

const signals: Record<string, number> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** The exit code of a failure: its class, or for an interruption 128 + the number of the signal. */
export function exitCode(error: Pick<AiryError, "code" | "details">): number {
  const own = error.code === "INTERRUPTED" ? signals[String(error.details.signal)] : undefined;
  return own ?? catalogue[error.code].exit;
}

/** The sentence with the evidence. */
export function whyOf(error: Pick<AiryError, "code" | "details">): string {
  return textsOf(error.code).why(error.details);
}

export function errorBody(error: AiryError): ErrorBody {
  const { category, retryable, actions } = textsOf(error.code);
  return { code: error.code, category, message: error.message, retryable, details: error.details, actions: actions(error.details) };
}

/** Back from JSON: the agent process hands its failures to the launcher in this form. */
export function fromErrorBody(body: ErrorBody): AiryError {
  return body.code in catalogue ? remade(body.code, body.details) : new AiryError("INTERNAL", { reason: `${body.code}: ${body.message}` });
}

/** What to do about a failure of `edge/errors.ts`; the others are in what the edge was told. */
const startAdvice: Readonly<Record<string, string>> = {
  EDGE_ADDRESS: "Choose a free address: --ssh, --http, --https, --admin",
  EDGE_DATA_LOCKED: "Stop the other edge, or give this one a folder of its own: --data DIR",
  EDGE_DATA: "Make the folder writable for this user, or name another one: --data DIR",
  HOLD_CORRUPT: "airy edge --check-data --data DIR (says what is damaged, and changes nothing)",
  HOLD_IO: "Make room on the disk of the data folder",
};

/** Only where no messages are in docker yet. */
function withoutDocker({ bound }: Known): string[] {
  return bound ? [] : ["airy up --engine embedded"];
}

const APP_SETTINGS = "developers.facebook.com > your app > App settings > Basic";

/** Why a token ended. Source: Meta's error handling guide, subcodes of 190. */
function tokenEnd(subcode: number | null): string {
  if (subcode === 458) return "The person has removed the app.";
  if (subcode === 460) return "The person has changed their password.";
  if (subcode === 463) return "It has expired.";
  if (subcode === 459 || subcode === 464 || subcode === 490)
    return "The person has to log in at facebook.com first, and confirm something there.";
  return "It is not valid, or not any more.";
}

/** What Facebook met at the callback. */
function verifyEvidence(problem: string | undefined): string {
  switch (problem) {
    case "dns":
      return "The name could not be resolved where Facebook looks.";
    case "refused":
    case "timeout":
      return "No connection came about from where Facebook is.";
    case "tls":
      return "The port does not speak TLS.";
    case "certificate":
      return "The certificate of the edge is not one that Facebook accepts: it is for another name, or its chain is incomplete.";
    case "broken":
      return "A connection came about, and broke off without an answer.";
    case "redirect":
      return "It reached the address and was sent elsewhere.";
    case "status":
      return "It reached the address and got an error.";
    case "html":
      return "It reached the address and got a web page: something in front treats Facebook otherwise than this machine.";
    case "quoted":
      return "It got the challenge in quotes: what answers there is not this platform.";
    case "token":
      return "What answered there has another verify token (Airy Core then says 0).";
    case "body":
      return "It reached the address and got something else than the challenge it had sent.";
    default:
      return "It could not reach the address, or got an error from it.";
  }
}

function verifyActions(problem: string | undefined, answered: number | null): string[] {
  switch (problem) {
    case "dns":
      return ["Wait some minutes, until the name is known everywhere", "airy up"];
    case "refused":
    case "timeout":
      return ["Open port 443 of the edge to the whole internet: a firewall may let only some networks in", "airy up"];
    case "tls":
      return ["Let the edge serve https at this address: docs/edge.md", "airy up"];
    case "certificate":
      return ["Give the edge a certificate for its names, with the whole chain: docs/edge.md", "airy up"];
    case "html":
      return ["Take bot protection and interstitial pages off the edge's names", "airy up"];
    case "redirect":
      return ["Take the redirect off the edge's names: Facebook wants the answer at the address itself", "airy up"];
    case "broken":
      return ["airy status (whether the tunnel is open)", "airy logs agent", "airy up"];
    case "status":
      return [...statusActions(answered), "airy logs agent", "airy up"];
    case "quoted":
    case "token":
      return ["Stop whatever else answers under this name, or on the platform's port", "airy logs platform", "airy up"];
    default:
      return ["airy webhook status", "airy logs agent", "airy up"];
  }
}

/** What the Graph API answered; the trace id is what Facebook's support asks for. */

/** What an error that only Facebook gets usually comes from. */
function statusActions(answered: number | null): string[] {
  if (answered === null) return [];
  if (answered === 402) return ["The edge's owner wants to be paid, or its limit is reached: look into your account there"];
  if (answered === 401 || answered === 403)
    return ["Let Facebook through where this machine is let through: a password, a firewall or bot protection stands in front"];
  if (answered === 404) return ["Look what else answers for this name: the path /facebook leads to the platform only through this tunnel"];
  if (answered === 429) return ["Raise the limit of requests in front of the platform, or wait"];
  return answered >= 500 ? ["airy status (platform and tunnel were not ready at that moment, or are not)"] : [];
}

function facebookSaid(d: Partial<Refusal> & Unanswered): string {
  const code = d.code ? ` (${d.subcode ? `code ${d.code}, subcode ${d.subcode}` : `code ${d.code}`})` : "";
  const said = d.message ? `Facebook said${code}: ${d.message}` : `Facebook answered with HTTP status ${d.status}${code}`;
  return `${said}${/[.!?]$/.test(said) ? "" : "."}${d.trace ? ` Trace id ${d.trace}.` : ""}`;
}

/** `cause` is Node's error code. */
function networkCause(d: Unanswered & { graphHost?: string; host?: string }): string {
  const host = `${d.graphHost ?? d.host}`;
  if (d.cause === "ECONNREFUSED") return `Nothing listens at ${host}.`;
  if (d.cause === "ENOTFOUND" || d.cause === "EAI_AGAIN") return `The name ${host} cannot be resolved; is this machine online?`;
  if (d.cause === "ETIMEDOUT") return `${host} did not answer in time.`;
  if (d.cause === "STATUS") return `${host} answered ${d.status}${d.received ? `: ${d.received}` : " without a word"}.`;
  if (d.cause === "NOT_JSON") return `${host} answered with something that is not JSON (status ${d.status}): ${d.received}`;
  if (d.cause === "EMSGSIZE") return `${host} answered with more than is read.`;
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(String(d.cause)))
    return `The certificate of ${host} is not valid for this machine (${d.cause}): it is for another name, has expired, or its chain is incomplete.`;
  if (d.cause === "EPROTO" || d.cause === "ERR_SSL_WRONG_VERSION_NUMBER") return `${host} does not speak TLS (${d.cause}).`;
  return `The connection to ${host} failed: ${d.cause}.`;
}

/** `problem` is how the answer of the public URL differed from the challenge. */
function probeEvidence(d: ProbeDetails): string {
  const received = d.received ? ` It begins: ${d.received}` : "";
  switch (d.problem) {
    case "unreachable":
      return networkCause(d);
    case "edge":
      return `The edge answered ${d.status} itself (${d.edgeCode}): the request did not reach the platform.`;
    case "path":
      return `Nothing is at this path: asked to echo a challenge, it answered ${d.status}.${received}`;
    case "token":
      return "The platform answered 403: it knows another verify token than this workspace.";
    case "status":
      return `Asked to echo a challenge, it answered ${d.status}.${received}`;
    case "stranger":
      return `Asked by a stranger, the platform says 403; the answer was ${d.status}.${received}`;
    case "redirect":
      return `Asked to echo a challenge, it answered ${d.status}, a redirect to ${d.received}`;
    case "html":
      return `Asked to echo a challenge, it answered with a web page: something else sits at this address.${received}`;
    default:
      return `Asked to echo a challenge, it answered something else.${received || " The answer is empty."}`;
  }
}

function list(names: readonly string[]): string {
  return names.length < 2 ? `${names.join("")} is` : `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are`;
}
