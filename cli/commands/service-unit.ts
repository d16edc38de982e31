/** What systemd and launchd are told, so that a workspace runs across crashes, logout and reboot. */
import path from "node:path";

export interface ServiceSpec {
  /** Of the workspace, see config/workspace.ts. */
  name: string;
  workspace: string;
  /** Absolute, of the script `airy`. */
  program: string;
  sandbox: boolean;
  /** What the program needs to find others, and its own marks. */
  env: Readonly<Record<string, string>>;
}

export function systemdUnit({ workspace, program, sandbox, env }: ServiceSpec): string {
  const set = Object.entries(env).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`);
  const named = `--workspace ${quoted(workspace)}`;
  return `# Written by airy service install; airy service uninstall removes it.
[Unit]
Description=Airy in ${workspace.replaceAll("%", "%%")}
Wants=network-online.target
After=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
${set.join("\n")}
ExecStart=${quoted(program)} service run${sandbox ? " --sandbox" : ""} ${named}
ExecStop=${quoted(program)} down ${named}
# After airy down it stays down; after a crash it comes back.
Restart=on-failure
RestartSec=5
# A first start may have to download.
TimeoutStartSec=infinity
TimeoutStopSec=60
UMask=0077

[Install]
WantedBy=default.target
`;
}

/** systemd.syntax(7) and systemd.service(5): quotes, and what is expanded in them. */
function quoted(text: string): string {
  return `"${text
    .replaceAll("\\", String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll("%", "%%")
    .replaceAll("$", "$$$$")}"`;
}

export function launchdPlist({ name, workspace, program, sandbox, env }: ServiceSpec): string {
  const xml = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const args = [program, "service", "run", ...(sandbox ? ["--sandbox"] : []), "--workspace", workspace];
  const set = Object.entries(env).map(([key, value]) => `    <key>${xml(key)}</key><string>${xml(value)}</string>`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by airy service install; airy service uninstall removes it. -->
<plist version="1.0">
<dict>
  <key>Label</key><string>co.airy.${xml(name)}</string>
  <key>ProgramArguments</key>
  <array>
${args.map((arg) => `    <string>${xml(arg)}</string>`).join("\n")}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${set.join("\n")}
  </dict>
  <key>RunAtLoad</key><true/>
  <!-- After airy down it stays down; after a crash it comes back. -->
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>5</integer>
  <key>ExitTimeOut</key><integer>60</integer>
  <key>StandardErrorPath</key><string>${xml(path.join(workspace, ".airy/logs/service.log"))}</string>
</dict>
</plist>
`;
}
