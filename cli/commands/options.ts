/** Options that several commands have: each is defined once, so that it means the same everywhere. */
import type { OptionSpec } from "./command.ts";

export const json = { name: "json", kind: "flag", description: "print JSON for programs" } as const satisfies OptionSpec;
export const yes = { name: "yes", kind: "flag", short: "y", description: "answer yes to every question" } as const satisfies OptionSpec;
export const workspace = {
  name: "workspace",
  kind: "text",
  value: "DIR",
  description: "folder of the workspace (default: the nearest one upward with an airy.yaml, else the current one)",
} as const satisfies OptionSpec;
export const adopt = {
  name: "adopt",
  kind: "flag",
  description: "use a state folder that airy has no mark of (made by an earlier airy, or under another home folder)",
} as const satisfies OptionSpec;
export const edge = {
  name: "edge",
  kind: "text",
  value: "HOST[:PORT]",
  description:
    "SSH address of the edge (default: tunnel.airy.co:22), or USER@HOST[:PORT] of any other SSH server; up: local is an edge on this " +
    "machine, whose URLs only this machine reaches",
} as const satisfies OptionSpec;
export const edgeKey = {
  name: "edge-key",
  kind: "text",
  value: "LINE",
  description: 'public host key of the edge ("ssh-ed25519 AAAA..."), instead of trusting the first one seen',
} as const satisfies OptionSpec;
export const publicUrl = {
  name: "public-url",
  kind: "text",
  value: "URL",
  description: "with --edge USER@HOST: where this machine is reached (default: what the server prints)",
} as const satisfies OptionSpec;
export const remotePort = {
  name: "remote-port",
  kind: "port",
  value: "N",
  description: "with --edge USER@HOST: port there (default: 80; with --public-url 8080)",
} as const satisfies OptionSpec;
export const verifyToken = {
  name: "verify-token",
  kind: "text",
  value: "TOKEN",
  description: "verify token of the webhook that is put back (better in AIRY_VERIFY_TOKEN, which other users of this machine do not see)",
} as const satisfies OptionSpec;
export const replaceWebhook = {
  name: "replace-webhook",
  kind: "flag",
  description: "replace a webhook of the Facebook app that points elsewhere",
} as const satisfies OptionSpec;
export const follow = { name: "follow", kind: "flag", short: "f", description: "go on with what comes" } as const satisfies OptionSpec;
export const noKeyring = {
  name: "no-keyring",
  kind: "flag",
  description: "keep secrets in airy.yaml, closed to others, also where the system has a keyring",
} as const satisfies OptionSpec;
export const ui = {
  name: "ui",
  kind: "text",
  value: "KIND",
  choices: ["auto", "tui", "lines"],
  description: "the dashboard or lines (default: auto = the dashboard on a terminal, lines for --yes, --json, ACCESSIBLE=1 and in CI)",
} as const satisfies OptionSpec;
