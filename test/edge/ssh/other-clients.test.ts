/** SSH clients that are neither ours nor OpenSSH's, as Debian has them: they connect, are told their URL, and serve. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ask, openEdge, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";
import { writeKey, type KeyFile } from "../../support/ssh.ts";

/** Debian's: paramiko is installed for no other. */
const python = "/usr/bin/python3";
const has = (command: string, args: string[] = []) => spawnSync(command, args).error === undefined;
const imports = (module: string) => spawnSync(python, ["-c", `import ${module}`]).status === 0;
const hasLibssh = spawnSync("pkg-config", ["--exists", "libssh"]).status === 0 && has("cc", ["--version"]);

let edge: TestEdge;
let origin: Origin;
let key: KeyFile;
let running: ChildProcess[] = [];
beforeAll(async () => {
  edge = await openEdge();
  origin = await startOrigin((_request, response) => response.end("fine"));
});
afterAll(async () => {
  await edge.close();
  await origin.close();
});
beforeEach(async () => {
  key = await writeKey();
});
afterEach(async () => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
  await key.remove();
});

/** Starts a client and resolves with the host of the URL that it shows. */
async function hostSaidTo(command: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const child = spawn(command, args, { env: { ...process.env, HOME: path.dirname(key.file), ...env } });
  running.push(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  let over = false;
  child.on("close", () => (over = true));
  const url = () => /http:\/\/([a-z0-9.-]+:\d+)/.exec(said)?.[1];
  await until(`a URL from ${command}`, () => url() !== undefined || over, 30_000);
  return url() ?? Promise.reject(new Error(`${command} ended: ${said}`));
}

async function serves(host: string): Promise<void> {
  expect((await ask(edge.httpPort, { host })).text).toBe("fine");
}

const forward = () => `80:127.0.0.1:${origin.port}`;

describe.skipIf(!has("dbclient", ["-V"]) || !has("dropbearkey"))("dropbear", () => {
  it("serves", async () => {
    const file = path.join(path.dirname(key.file), "dropbear");
    expect(spawnSync("dropbearkey", ["-t", "ed25519", "-f", file]).status).toBe(0);
    await serves(await hostSaidTo("dbclient", ["-T", "-y", "-y", "-i", file, "-p", String(edge.sshPort), "-R", forward(), "me@127.0.0.1"]));
  });
});

describe.skipIf(!has("plink", ["-V"]) || !has("puttygen", ["--version"]))("plink", () => {
  it("serves", async () => {
    const file = `${key.file}.ppk`;
    expect(spawnSync("puttygen", [key.file, "-o", file]).status).toBe(0);
    const [type = "", blob = ""] = edge.edge.hostKey.split(" ");
    const hash = spawnSync("ssh-keygen", ["-lf", "-"], { input: `${type} ${blob}\n` }).stdout.toString();
    const fingerprint = /SHA256:\S+/.exec(hash)?.[0] ?? "";
    const args = ["-ssh", "-batch", "-hostkey", fingerprint, "-i", file, "-P", String(edge.sshPort), "-R", forward(), "me@127.0.0.1"];
    await serves(await hostSaidTo("plink", args));
  });
});

describe.skipIf(!has("autossh", ["-V"]))("autossh", () => {
  it("serves without its monitor port", async () => {
    const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentityAgent=none", "IdentitiesOnly=yes"];
    const args = ["-M", "0", "-F", "none", "-i", key.file, "-p", String(edge.sshPort), ...options.flatMap((each) => ["-o", each])];
    await serves(await hostSaidTo("autossh", [...args, "-R", forward(), "me@127.0.0.1"], { AUTOSSH_GATETIME: "0" }));
  });
});

describe.skipIf(!has("autossh", ["-V"]))("autossh with its monitor port", () => {
  it("serves, and the word that it sends around comes back", async () => {
    const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentityAgent=none", "IdentitiesOnly=yes"];
    const monitor = 20_000 + 2 * Math.floor(Math.random() * 5_000);
    const args = [
      "-M",
      String(monitor),
      "-F",
      "none",
      "-i",
      key.file,
      "-p",
      String(edge.sshPort),
      ...options.flatMap((each) => ["-o", each]),
    ];
    const log = path.join(path.dirname(key.file), "autossh.log");
    const env = { AUTOSSH_GATETIME: "0", AUTOSSH_FIRST_POLL: "1", AUTOSSH_POLL: "4", AUTOSSH_DEBUG: "1", AUTOSSH_LOGFILE: log };
    const host = await hostSaidTo("autossh", [...args, "-R", forward(), "me@127.0.0.1"], env);
    await serves(host);
    const said = () => readFile(log, "utf8").catch(() => "");
    await until("the word to come back", async () => (await said()).includes("connection ok"), 20_000);
    expect(await said()).not.toMatch(/killing ssh|restarting/);
    await serves(host);
  });
});

describe.skipIf(!imports("asyncssh"))("asyncssh", () => {
  it.each([["80"], ["0"]])("serves on port %s", async (port) => {
    const file = path.join(path.dirname(key.file), "client.py");
    await writeFile(
      file,
      `import asyncio, asyncssh, sys
async def main():
    async with asyncssh.connect("127.0.0.1", ${edge.sshPort}, username="me", client_keys=[${JSON.stringify(key.file)}], known_hosts=None, config=None) as client:
        await client.forward_remote_port("", ${port}, "127.0.0.1", ${origin.port})
        shell = await client.create_process()
        sys.stdout.write(await shell.stdout.readline()); sys.stdout.flush()
        await client.wait_closed()
asyncio.run(main())
`,
    );
    await serves(await hostSaidTo(python, [file]));
  });
});

describe.skipIf(!hasLibssh)("libssh", () => {
  it("serves", async () => {
    const source = path.join(path.dirname(key.file), "client.c");
    const program = path.join(path.dirname(key.file), "client");
    await writeFile(
      source,
      `#include <libssh/libssh.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  ssh_session session = ssh_new();
  ssh_key key;
  int port = ${edge.sshPort}, off = 0, got = 0;
  ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
  ssh_options_set(session, SSH_OPTIONS_PORT, &port);
  ssh_options_set(session, SSH_OPTIONS_USER, "me");
  ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &off);
  if (ssh_connect(session) != SSH_OK) return fprintf(stderr, "connect: %s\\n", ssh_get_error(session)), 1;
  if (ssh_pki_import_privkey_file(${JSON.stringify(key.file)}, NULL, NULL, NULL, &key) != SSH_OK) return fprintf(stderr, "key\\n"), 1;
  if (ssh_userauth_publickey(session, NULL, key) != SSH_AUTH_SUCCESS) return fprintf(stderr, "auth: %s\\n", ssh_get_error(session)), 1;
  if (ssh_channel_listen_forward(session, NULL, 80, NULL) != SSH_OK) return fprintf(stderr, "forward: %s\\n", ssh_get_error(session)), 1;
  ssh_channel shell = ssh_channel_new(session);
  char text[4096];
  if (ssh_channel_open_session(shell) != SSH_OK || ssh_channel_request_shell(shell) != SSH_OK) return fprintf(stderr, "shell\\n"), 1;
  got = ssh_channel_read_timeout(shell, text, sizeof text - 1, 0, 10000);
  fwrite(text, 1, got > 0 ? got : 0, stdout);
  fflush(stdout);
  for (;;) {
    ssh_channel request = ssh_channel_accept_forward(session, 60000, &port);
    if (request == NULL) return 0;
    ssh_channel_read_timeout(request, text, sizeof text, 0, 10000);
    const char *answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nfine";
    ssh_channel_write(request, answer, strlen(answer));
  }
}
`.replaceAll("\\\\", "\\"),
    );
    const built = spawnSync("cc", ["-Wno-deprecated-declarations", "-o", program, source, "-lssh"]);
    expect(built.stderr.toString()).toBe("");
    await serves(await hostSaidTo(program, []));
  });
});

describe.skipIf(!imports("paramiko"))("paramiko", () => {
  it("serves", async () => {
    const file = path.join(path.dirname(key.file), "client.py");
    await writeFile(
      file,
      `import paramiko, socket, sys, threading
transport = paramiko.Transport(("127.0.0.1", ${edge.sshPort}))
transport.connect(username="me", pkey=paramiko.Ed25519Key.from_private_key_file(${JSON.stringify(key.file)}))
transport.request_port_forward("", 80)
shell = transport.open_session()
shell.invoke_shell()
def say():
    while True:
        text = shell.recv(1024)
        if not text: return
        sys.stdout.write(text.decode()); sys.stdout.flush()
threading.Thread(target=say, daemon=True).start()
def pump(a, b):
    while True:
        data = a.recv(65536)
        if not data: break
        b.sendall(data)
while True:
    channel = transport.accept(60)
    if channel is None: break
    local = socket.create_connection(("127.0.0.1", ${origin.port}))
    for pair in ((channel, local), (local, channel)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
`,
    );
    await serves(await hostSaidTo(python, [file]));
  });
});

it("refuses RSA keys below 2,048 bits", async () => {
  const login = (bits: number) => {
    const file = path.join(path.dirname(key.file), `rsa${bits}`);
    expect(spawnSync("ssh-keygen", ["-q", "-t", "rsa", "-b", String(bits), "-N", "", "-f", file]).status).toBe(0);
    const options = [
      "StrictHostKeyChecking=no",
      "UserKnownHostsFile=/dev/null",
      "IdentityAgent=none",
      "RequiredRSASize=1024",
      "BatchMode=yes",
    ];
    const args = ["-F", "none", "-i", file, "-p", String(edge.sshPort), ...options.flatMap((each) => ["-o", each])];
    return hostSaidTo("ssh", [...args, "-R", forward(), "me@127.0.0.1"]);
  };
  await serves(await login(2048));
  await expect(login(1024)).rejects.toThrow(/Permission denied/);
  await expect(login(2047)).rejects.toThrow(/Permission denied/);
});
