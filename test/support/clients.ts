/** Either kind of client, to a local port: what is true of a tunnel is true of both. */
import { once } from "node:events";
import ssh2 from "ssh2";
import { identifierOf } from "../../edge/names/identifier.ts";
import { DOMAIN, newKey, openTunnel, type TestEdge } from "./edge.ts";
import { forward } from "./ssh.ts";

export interface Client {
  host: string;
  close(): Promise<void>;
}

/** For `describe.each`: the edge is asked for when a test runs. */
export function bothClients(edge: () => TestEdge): [name: string, open: (port: number) => Promise<Client>][] {
  return [
    [
      "our agent",
      async (port) => {
        const { tunnel, host } = await openTunnel(edge(), port);
        return { host, close: () => tunnel.close() };
      },
    ],
    [
      "ssh -R",
      async (port) => {
        const key = newKey();
        const forwarded = await forward(edge().sshPort, key.private, port);
        const blob = (ssh2.utils.parseKey(key.public) as ssh2.ParsedKey).getPublicSSH();
        return {
          host: `${identifierOf(blob)}.${DOMAIN}:${edge().httpPort}`,
          close: async () => {
            const closed = once(forwarded.client, "close");
            forwarded.close();
            await closed;
          },
        };
      },
    ],
  ];
}
