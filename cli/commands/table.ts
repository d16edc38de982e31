/** All commands of `airy`. Nothing is loaded from here: what a command does is found through load.ts. */
import type { CommandSpec, OptionSpec, OptionsOf } from "./command.ts";

const json = { name: "json", kind: "flag", description: "print JSON for programs" } as const satisfies OptionSpec;
const yes = { name: "yes", kind: "flag", short: "y", description: "answer yes to every question" } as const satisfies OptionSpec;
const workspace = {
  name: "workspace",
  kind: "text",
  value: "DIR",
  description: "folder of the workspace (default: the nearest one upward with an airy.yaml, else the current one)",
} as const satisfies OptionSpec;
const adopt = {
  name: "adopt",
  kind: "flag",
  description: "use a state folder that airy has no mark of (made by an earlier airy, or under another home folder)",
} as const satisfies OptionSpec;
const edge = {
  name: "edge",
  kind: "text",
  value: "HOST[:PORT]",
  description:
    "SSH address of the edge (default: tunnel.airy.co:22), or USER@HOST[:PORT] of any other SSH server; up: local is an edge on this " +
    "machine, whose URLs only this machine reaches",
} as const satisfies OptionSpec;
const publicUrl = {
  name: "public-url",
  kind: "text",
  value: "URL",
  description: "with --edge USER@HOST: where this machine is reached (default: what the server prints)",
} as const satisfies OptionSpec;
const remotePort = {
  name: "remote-port",
  kind: "port",
  value: "N",
  description: "with --edge USER@HOST: port there (default: 80; with --public-url 8080)",
} as const satisfies OptionSpec;
const verifyToken = {
  name: "verify-token",
  kind: "text",
  value: "TOKEN",
  description: "verify token of the webhook that is put back (better in AIRY_VERIFY_TOKEN, which other users of this machine do not see)",
} as const satisfies OptionSpec;
const edgeKey = {
  name: "edge-key",
  kind: "text",
  value: "LINE",
  description: 'public host key of the edge ("ssh-ed25519 AAAA..."), instead of trusting the first one seen',
} as const satisfies OptionSpec;

const ui = {
  name: "ui",
  kind: "text",
  value: "KIND",
  choices: ["auto", "tui", "lines"],
  description: "the dashboard or lines (default: auto = the dashboard on a terminal, lines for --yes, --json, ACCESSIBLE=1 and in CI)",
} as const satisfies OptionSpec;

export const commands = {
  up: {
    summary: "Bring the platform up, open the tunnel and register the webhook",
    options: [
      {
        name: "sandbox",
        kind: "flag",
        description: "everything on this machine: a local edge and a stand-in for Facebook; nothing is public",
      },
      yes,
      json,
      edge,
      edgeKey,
      publicUrl,
      remotePort,
      {
        name: "edge-keys",
        kind: "text",
        value: "FILE",
        description: "public keys that the sandbox's edge admits beside this workspace's own, for airy-proxy (default: none)",
      },
      {
        name: "engine",
        kind: "text",
        value: "ENGINE",
        choices: ["auto", "docker", "embedded"],
        description: "what runs the services (default: auto = docker where it is usable, else embedded)",
      },
      {
        name: "edition",
        kind: "text",
        value: "EDITION",
        choices: ["basic", "core"],
        description: "our own platform, or Airy Core's images under docker (default: that of the last time, else basic)",
      },
      { name: "port", kind: "port", value: "N", description: "port of the platform on 127.0.0.1 (default: 4200, or the next free one)" },
      {
        name: "inbox-url",
        kind: "text",
        value: "URL",
        description: "where something forwards the inbox page, so that browsers may use it there (default: GitHub Codespaces' own)",
      },
      { name: "replace-webhook", kind: "flag", description: "replace a webhook of the Facebook app that points elsewhere" },
      {
        name: "no-hold",
        kind: "flag",
        description: "let no messages wait at the edge while this machine cannot take them",
      },
      { name: "no-inspect", kind: "flag", description: "keep no headers and bodies of requests in memory for airy requests" },
      {
        name: "timeout",
        kind: "seconds",
        value: "SECONDS",
        description: "how long to wait for readiness, without the time that downloads take (default: 120; core: 600)",
      },
      { name: "dry-run", kind: "flag", description: "show what would be done, and change nothing" },
      { name: "no-input", kind: "flag", description: "ask nothing; what needs an answer fails and says which flag gives it" },
      ui,
      workspace,
      adopt,
    ],
    examples: [
      ["airy up --sandbox", "try everything on this machine, without a Facebook app"],
      ["airy up", "use the Facebook app named in airy.yaml or in FACEBOOK_APP_ID and FACEBOOK_APP_SECRET"],
      ["airy up --yes --json", "in scripts: NDJSON on stdout, no questions, an exit code that says what went wrong"],
    ],
  },
  status: {
    summary: "Show what runs: services, tunnel, webhook (exit 0 running, 31 degraded, 30 stopped)",
    options: [json, workspace],
    examples: [["airy status --json", "the same for programs"]],
  },
  attach: {
    summary: "Show the dashboard of what runs, also in a second terminal",
    options: [json, ui, workspace],
    examples: [
      ["airy attach", "q leaves it again; everything keeps running"],
      ["airy attach --json", "what happens, as NDJSON, until it stops"],
    ],
  },
  down: {
    summary: "Stop everything; data is kept",
    options: [
      { name: "restore-webhook", kind: "flag", description: "first put back the webhook that the Facebook app had before" },
      verifyToken,
      json,
      workspace,
      adopt,
    ],
    examples: [["airy down", "stop services and tunnel; airy up brings them back under the same URL"]],
  },
  destroy: {
    summary: "Stop everything and delete its data",
    options: [yes, json, workspace, adopt],
    examples: [["airy destroy --yes", "without being asked"]],
  },
  logs: {
    summary: "Show the log of all services or of one",
    arguments: [{ name: "service", description: "name of the service, as airy status shows it" }],
    options: [{ name: "tail", kind: "count", value: "N", description: "how many lines, the latest ones (default: 100)" }, json, workspace],
    examples: [
      ["airy logs platform --tail 20", "the last 20 lines of the platform"],
      ["airy logs agent", "the tunnel and the webhook registration"],
    ],
  },
  webhook: {
    summary: "Show the webhook at Facebook, connect a page, or put the previous webhook back",
    arguments: [{ name: "what", description: "what to do (default: status)", choices: ["status", "connect", "restore"] }],
    options: [
      { name: "page", kind: "text", value: "ID", description: "which page to connect; FACEBOOK_USER_TOKEN holds a token of its owner" },
      { name: "replace-webhook", kind: "flag", description: "replace a webhook of the Facebook app that points elsewhere" },
      {
        name: "whatsapp",
        kind: "text",
        value: "WHO",
        description: "account:ID or number:ID of WhatsApp Cloud; WHATSAPP_TOKEN holds a token",
      },
      verifyToken,
      { name: "show-token", kind: "flag", description: "print the verify token, to type into Meta's dashboard" },
      json,
      workspace,
    ],
    examples: [
      ["airy webhook status", "what Facebook has on record, and what was there before"],
      ["airy webhook connect --page 1234", "connect a page, with a token of its owner in FACEBOOK_USER_TOKEN"],
      ["airy webhook restore", "give the app its previous webhook back, with that one's verify token in AIRY_VERIFY_TOKEN"],
    ],
  },
  trigger: {
    summary: "Be a customer: write, press, react, through the stand-in for Facebook",
    arguments: [
      {
        name: "what",
        description: "what happens",
        choices: ["message", "postback", "reaction", "image", "sticker", "edit", "unsend", "echo", "read", "batch"],
      },
    ],
    options: [
      { name: "text", kind: "text", value: "TEXT", description: 'what is written (default: "Hello!"); of a postback, the button' },
      { name: "from", kind: "text", value: "CUSTOMER", description: "who: an id or a name; a new one where there is none (default: Ada)" },
      { name: "page", kind: "text", value: "ID", description: "to which page (default: the sandbox's)" },
      { name: "payload", kind: "text", value: "TEXT", description: "payload of a postback" },
      { name: "emoji", kind: "text", value: "EMOJI", description: "of a reaction; none takes it back (default: a heart)" },
      { name: "mid", kind: "text", value: "ID", description: "message to react to, correct or take back (default: the last one)" },
      { name: "picture", kind: "text", value: "URL", description: "address of the image or sticker" },
      { name: "count", kind: "count", value: "N", description: "how often; with batch: messages in the one delivery (default: 1; 3)" },
      { name: "rate", kind: "count", value: "R", description: "how many a second (default: one after the other)" },
      {
        name: "file",
        kind: "text",
        value: "FILE",
        description: "send what is in a JSON file; {{PAGE}}, {{APP}} and the like are filled in",
      },
      { name: "fixture", kind: "text", value: "NAME", description: "send a sample of a kind of event; --list shows them" },
      { name: "list", kind: "flag", description: "list the fixtures, and the names that are filled in" },
      {
        name: "via",
        kind: "text",
        value: "URL",
        description: "post to this webhook, signed with the app secret, without the stand-in",
      },
      json,
      workspace,
    ],
    examples: [
      ['airy trigger message --text "Hi there"', "it shows in the inbox at once"],
      ["airy trigger reaction --emoji 👍 --from Bo", "another customer reacts to the last message"],
      ["airy trigger message --count 600 --rate 10", "ten messages a second, for a minute"],
      ["airy trigger --fixture instagram-story-mention", "an event of another kind; airy trigger --list shows all"],
      ["airy trigger --file delivery.json", "a delivery of your own, signed like Facebook's"],
      ["airy trigger message --via http://127.0.0.1:4200/facebook --page 1234", "straight to a webhook, with the secret of airy.yaml"],
    ],
  },
  open: {
    summary: "Open the inbox, the chat page where you are the customer, or the requests",
    arguments: [{ name: "what", description: "which page (default: inbox)", choices: ["inbox", "chat", "requests"] }],
    options: [{ name: "print", kind: "flag", description: "only print the address" }, json, workspace],
    examples: [
      ["airy open chat", "write as a customer, press buttons, see what the page sends"],
      ["airy open inbox --print", "the address alone, for another browser"],
    ],
  },
  sandbox: {
    summary: "Run the stand-in for Facebook alone, to develop anything against it",
    options: [
      { name: "port", kind: "port", value: "N", description: "port on 127.0.0.1 (default: 4290)" },
      { name: "data", kind: "text", value: "DIR", description: "folder for what it remembers (default: airy-sandbox)" },
      { name: "speed", kind: "count", value: "N", description: "how fast its clock goes: 60 is an hour in a minute (default: 1)" },
      json,
    ],
    examples: [
      ["airy sandbox --port 4290", "the Graph API at http://127.0.0.1:4290, with an app and a page of its own"],
      ["airy sandbox --speed 600", "see in six seconds what Facebook does in an hour of failures"],
    ],
  },
  requests: {
    summary: "Show the requests that came through the tunnel",
    arguments: [
      { name: "what", description: "show: one of them with headers and bodies", choices: ["show"] },
      { name: "id", description: "which one" },
    ],
    options: [
      { name: "failed", kind: "flag", description: "only those that were not answered, or with 400 and above" },
      { name: "follow", kind: "flag", short: "f", description: "go on with those that come" },
      json,
      workspace,
    ],
    examples: [
      ["airy requests --failed", "the last ones that went wrong"],
      ["airy requests show 17", "headers and bodies of one; secrets are masked"],
      ["airy open requests", "the same in the browser"],
    ],
  },
  replay: {
    summary: "Send a request to the platform again, or the messages that were set aside at the edge",
    arguments: [{ name: "id", description: "number of the request, as airy requests shows it" }],
    options: [
      { name: "to", kind: "text", value: "URL", description: "send it there instead; without a path, to the one that it had" },
      { name: "edit", kind: "text", value: "FILE", description: "with this body, signed with the app secret as Facebook would" },
      { name: "dead", kind: "flag", description: "all messages that the platform refused, or that waited too long" },
      json,
      workspace,
    ],
    examples: [
      ["airy replay 17", "the same request once more"],
      ["airy replay 17 --edit body.json", "another body, with a signature that is valid"],
      ["airy replay --dead", "after the reason why they were refused is gone; airy status says how many there are"],
    ],
  },
  reprocess: {
    summary: "Read again what Facebook sent: conversations are made anew from the raw deliveries",
    options: [json, workspace],
    examples: [["airy reprocess", "ids, read state, names and tags stay; what was misread becomes right"]],
  },
  export: {
    summary: "Write what a Kubernetes cluster needs: values for Airy's Helm chart, and the tunnel beside it",
    arguments: [{ name: "what", description: "for what", choices: ["helm"], required: true }],
    options: [
      { name: "dir", kind: "text", value: "DIR", description: "folder of the files (default: airy-helm in the current folder)" },
      json,
      workspace,
    ],
    examples: [["airy export helm", "values.yaml and airy-proxy.yaml in airy-helm"]],
  },
  backup: {
    summary: "Write everything the platform keeps into one file",
    options: [
      { name: "file", kind: "text", value: "FILE", description: "which file (default: airy-backup-TIME.airy in the current folder)" },
      json,
      workspace,
    ],
    examples: [["airy backup --file shop.airy", "messages, contacts, tags, settings; keep it safe, it holds page tokens"]],
  },
  restore: {
    summary: "Read a backup into a running workspace that has no messages yet, whichever engine it uses",
    arguments: [{ name: "file", description: "a file of airy backup", required: true }],
    options: [json, workspace],
    examples: [["airy restore shop.airy", "all or nothing"]],
  },
  doctor: {
    summary: "Look whether everything airy needs is there; changes nothing",
    options: [edge, json, workspace],
    examples: [["airy doctor", "the checks of airy up, and which engines can be used"]],
  },
  proxy: {
    summary: "Give a local web server a public URL (also as airy-proxy)",
    arguments: [
      {
        name: "target",
        many: true,
        description: "port, host:port or URL of the local server, or /path=target for what is below a path (default: http://localhost:80)",
      },
    ],
    options: [
      edge,
      edgeKey,
      publicUrl,
      remotePort,
      { name: "path", kind: "list", value: "PREFIX", description: "expose only paths with this prefix (default: all)" },
      {
        name: "hold",
        kind: "list",
        value: "PREFIX",
        description: "let the edge keep POSTs with this prefix while they cannot be delivered",
      },
      {
        name: "identity",
        kind: "text",
        value: "FILE",
        description: "private key, or ssh-agent for the first one of yours; the public name follows from it",
      },
      { name: "name", kind: "text", value: "NAME", description: "a name of your choice, yours from the first time on" },
      { name: "ephemeral", kind: "flag", description: "a random name, forgotten when the tunnel closes" },
      {
        name: "host-header",
        kind: "text",
        value: "HOST",
        description: "Host header at the local server; rewrite: its own address (default: the public one)",
      },
      {
        name: "verify",
        kind: "text",
        value: "WHOSE",
        choices: ["facebook", "facebook-sha1"],
        description: "let through only what Meta has signed; facebook-sha1 takes the older signature as well",
      },
      {
        name: "secret-env",
        kind: "list",
        value: "NAME",
        description: "variable with the app secret for --verify (default: FACEBOOK_APP_SECRET); several while one is changed",
      },
      { name: "fail", kind: "text", value: "STATUS", description: "answer everything with this status, to see a provider try again" },
      { name: "for", kind: "text", value: "TIME", description: "how long --fail goes on, e.g. 60s (default: until the end)" },
      { name: "expire", kind: "text", value: "TIME", description: "close the tunnel after this time, e.g. 8h" },
      { name: "once", kind: "flag", description: "close the tunnel after the first request that the local server has answered" },
      json,
    ],
    examples: [
      ["airy proxy 3000", "publish http://localhost:3000"],
      ["airy proxy 3000 --path /webhook", "publish only /webhook and what is below it"],
      ["airy proxy 3000 /viber=http://localhost:4000/hook", "a second server below /viber, which gets /hook in its place"],
      ["airy proxy 3000 --verify facebook", "refuse what is not signed with FACEBOOK_APP_SECRET"],
      ["airy proxy 3000 --fail 503 --for 60s", "see what a provider does when its deliveries fail for a minute"],
    ],
  },
  edge: {
    summary: "Run an edge: the public side of tunnels",
    arguments: [
      { name: "what", description: "names: look after the names of an edge that runs", choices: ["names"] },
      { name: "action", description: "what to do with names", choices: ["list", "revoke", "reserve", "release"] },
      { name: "name", description: "which one" },
    ],
    options: [
      { name: "domain", kind: "text", value: "DOMAIN", description: "names are <identifier>.DOMAIN" },
      {
        name: "config",
        kind: "text",
        value: "FILE",
        description: "YAML with the names of these flags as keys; a flag wins over its variable, and that over the file",
      },
      { name: "ssh", kind: "text", value: "ADDR", description: "[host:]port of the SSH listener (default: 127.0.0.1:2222)" },
      { name: "http", kind: "text", value: "ADDR", description: "[host:]port of the HTTP listener (default: 127.0.0.1:8080)" },
      {
        name: "https",
        kind: "text",
        value: "ADDR",
        description: "[host:]port of TLS, where SSH answers as well (default with --tls: that of --http, port 8443)",
      },
      {
        name: "tls",
        kind: "text",
        value: "MODE",
        choices: ["off", "files"],
        description: "where the certificate comes from (default: off)",
      },
      {
        name: "tls-cert",
        kind: "text",
        value: "FILE",
        description: "PEM: certificate for *.DOMAIN and its chain (read again when it changes)",
      },
      { name: "tls-key", kind: "text", value: "FILE", description: "PEM: its key" },
      { name: "redirect", kind: "flag", description: "send browsers that open a page by http to https" },
      { name: "admin", kind: "text", value: "ADDR", description: "[host:]port of health and metrics" },
      {
        name: "authorized-keys",
        kind: "text",
        value: "FILE",
        description: "admit only these keys (read again when it changes; default: every key)",
      },
      { name: "denied-keys", kind: "text", value: "FILE", description: "never admit these keys (read again when it changes)" },
      {
        name: "data",
        kind: "text",
        value: "DIR",
        description: "folder for claims, host key, certificates and held webhooks (default: airy-edge)",
      },
      {
        name: "limit",
        kind: "list",
        value: "NAME=NUMBER",
        description: "change a limit of docs/edge.md; may be given several times (in the file: limits)",
      },
      {
        name: "public-port",
        kind: "port",
        value: "N",
        description: "port in the URLs that clients are told (443: https; default: the listener's)",
      },
      { name: "check", kind: "flag", description: "validate, print the settings that would be used, change nothing, and end" },
      { name: "check-data", kind: "flag", description: "say what is damaged in the data folder, change nothing, and end" },
      { name: "key", kind: "text", value: "SHA256:...", description: "names reserve: for this key (default: for nobody)" },
      json,
    ],
    examples: [
      ["airy edge --domain tunnel.example.com --ssh :22 --http :80 --data /var/lib/airy-edge", "an edge of your own"],
      ["airy edge --config /etc/airy-edge.yaml --check", "whether these settings can be used, and what they come to"],
      ["airy edge names list --data /var/lib/airy-edge", "which key has which name"],
      ["airy edge names revoke shop --data /var/lib/airy-edge", "take a name away: tunnel and held webhooks go, nobody gets it"],
    ],
  },
  version: {
    summary: "Print version, commit and build",
    options: [json],
    examples: [["airy version --json", "for bug reports by programs"]],
  },
  internal: {
    summary: "Services that airy starts by itself",
    hidden: true,
    arguments: [{ name: "service", description: "agent, or a service of the basic bundle", required: true }],
    options: [{ name: "config", kind: "text", value: "FILE", description: "configuration of the service" }, json],
    examples: [],
  },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof commands;

/** The typed options of a command: what its `run` function receives. */
export type Options<N extends CommandName> = OptionsOf<(typeof commands)[N]>;

/** Commands whose `--json` output is NDJSON that ends with the result. */
export const streams: ReadonlySet<string> = new Set<CommandName>(["up", "attach", "logs", "proxy", "edge", "sandbox", "requests"]);
