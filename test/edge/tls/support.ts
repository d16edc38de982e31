/** Certificates of a CA of their own, made with OpenSSL, and an edge that shows them. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import type { Answer, Ask } from "../../support/edge.ts";

export interface TestCa {
  dir: string;
  /** PEM. */
  cert: Buffer;
  /** Writes `<name>.crt` and `<name>.key` for these hosts. */
  issue(name: string, hosts: readonly string[], days?: number): { cert: string; key: string };
  remove(): void;
}

export function makeCa(): TestCa {
  const dir = mkdtempSync(path.join(os.tmpdir(), "airy-ca-"));
  const at = (name: string) => path.join(dir, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...ec, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test CA", "-days", "30");
  return {
    dir,
    cert: readFileSync(at("ca.crt")),
    issue: (name, hosts, days = 10) => {
      writeFileSync(at(`${name}.ext`), `subjectAltName=${hosts.map((host) => `DNS:${host}`).join(",")}\n`);
      openssl("req", ...ec, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", "/CN=edge");
      const ca = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
      openssl("x509", "-req", "-in", `${name}.csr`, ...ca, "-days", String(days), "-extfile", `${name}.ext`, "-out", `${name}.crt`);
      return { cert: at(`${name}.crt`), key: at(`${name}.key`) };
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** One request by https and HTTP/1.1; the certificate has to fit. */
export function askSecurely(
  port: number,
  ca: Buffer,
  { host, method = "GET", path: target = "/", headers = {}, body }: Ask,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = https.request({
      host: "127.0.0.1",
      port,
      method,
      path: target,
      headers: { host, ...(headers as Record<string, string>) },
      servername: host.replace(/:\d+$/, ""),
      ca,
      agent: false,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const all = Buffer.concat(chunks);
        const { statusCode: status = 0, headers: answered, rawHeaders } = response;
        resolve({ status, headers: answered, rawHeaders, body: all, text: all.toString() });
      });
    });
    request.end(body);
  });
}
