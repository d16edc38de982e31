/** Which ports a workspace uses: those of the last time, else the defaults, else the next free ones. */
import { holderSaid, nextFreePort } from "../checks/ports.ts";
import type { PortWish } from "../checks/preflight.ts";
import type { Ports } from "../config/state.ts";
import type { Emit } from "../events.ts";

const defaults = { platform: 4200, edgeSsh: 4222, edgeHttp: 4280, facebook: 4290 };

export interface PortsInput {
  /** Asked for by flag. */
  asked: number | undefined;
  stored: Ports | null;
  sandbox: boolean;
  /** An edge on this machine, which a sandbox has in any case. */
  localEdge?: boolean;
  /** The agent process of this workspace runs at present, so that the stored ports are taken by ourselves. */
  running: boolean;
  /** Taken by containers of this workspace. */
  held?: ReadonlySet<number>;
  /** Known to be taken, whatever they look like. */
  lost: ReadonlySet<number>;
}

/** What preflight looks at: the ports that are about to be listened on. */
export function portWishes(input: PortsInput): PortWish[] {
  const { asked, stored } = input;
  const ports = { ...defaults, ...stored };
  const wishes: PortWish[] = [];
  for (const name of namesOf(input)) {
    const fixed = name === "platform" && asked !== undefined;
    const port = fixed ? asked : ports[name];
    if (!isOurs(input, name, port)) wishes.push({ name: words[name], port, fixed });
  }
  return wishes;
}

/** After preflight, which refuses a taken port that was asked for: the others move on to the next free one. */
export async function choosePorts(input: PortsInput, emit: Emit): Promise<Ports> {
  const { asked, stored, lost } = input;
  const ports: Ports = { ...defaults, control: null, ...stored };
  if (asked !== undefined) ports.platform = asked;
  const chosen = new Set<number>(asked === undefined ? [] : [asked]);
  for (const name of namesOf(input)) {
    if (name === "platform" && asked !== undefined) continue;
    const wanted = ports[name];
    const ours = isOurs(input, name, wanted) && !chosen.has(wanted) && !lost.has(wanted);
    if (!ours) ports[name] = await nextFreePort(wanted, [...chosen, ...lost]);
    if (ports[name] !== wanted) {
      const message = `The ${words[name]} uses port ${ports[name]}, because ${wanted} is taken${await holderSaid(wanted)}.`;
      emit({ type: "check", id: `port-${name}`, status: "warn", message });
    }
    chosen.add(ports[name]);
  }
  return ports;
}

type PortName = keyof typeof defaults;

const words: Record<PortName, string> = {
  platform: "platform",
  edgeSsh: "local edge (SSH)",
  edgeHttp: "local edge (HTTP)",
  facebook: "stand-in for Facebook",
};

function isOurs({ running, stored, held }: PortsInput, name: PortName, port: number): boolean {
  return held?.has(port) || (running && port === stored?.[name]);
}

function namesOf(input: Pick<PortsInput, "sandbox" | "localEdge">): readonly PortName[] {
  if (input.sandbox) return ["platform", "edgeSsh", "edgeHttp", "facebook"];
  return input.localEdge ? ["platform", "edgeSsh", "edgeHttp"] : ["platform"];
}
