import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { fingerprintOf, identifierOf, LONGEST_IDENTIFIER, publicKeyBlob } from "../../../edge/names/identifier.ts";

const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl git@github.com";

describe("identifierOf", () => {
  it("is lower-case base32 of the SHA-256, as coreutils' base32 writes it", () => {
    for (let i = 0; i < 20; i++) {
      const blob = randomBytes(51);
      const digest = createHash("sha256").update(blob).digest();
      const expected = execFileSync("base32", { input: digest }).toString().trim().replace(/=+$/, "").toLowerCase();
      expect(identifierOf(blob, LONGEST_IDENTIFIER)).toBe(expected);
      expect(identifierOf(blob)).toBe(expected.slice(0, 10));
      expect(identifierOf(blob)).toMatch(/^[a-z2-7]{10}$/);
    }
  });

  it("never gets longer than the hash", () => {
    expect(identifierOf(Buffer.from("x"), 99)).toHaveLength(LONGEST_IDENTIFIER);
  });
});

describe("publicKeyBlob", () => {
  it("reads an OpenSSH line", () => {
    const blob = publicKeyBlob(line)!;
    expect(blob).toHaveLength(51);
    expect(publicKeyBlob(`  ${line.split(" ").slice(0, 2).join("\t")}\r\n`)).toEqual(blob);
    // https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints
    expect(fingerprintOf(blob)).toBe("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
  });

  it("agrees with ssh-keygen for every key type", () => {
    const dir = mkdtempSync(path.join(tmpdir(), "airy-names-"));
    try {
      for (const type of ["ed25519", "ecdsa", "rsa"]) {
        const file = path.join(dir, type);
        execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-f", file, "-C", "a comment"]);
        const printed = execFileSync("ssh-keygen", ["-lf", `${file}.pub`]).toString();
        expect(printed).toContain(fingerprintOf(publicKeyBlob(readFileSync(`${file}.pub`, "utf8"))!));
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it.each([
    ["", "empty"],
    ["ssh-ed25519", "no blob"],
    ["ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl", "another type than the blob's"],
    ["ssh-ed25519 AAAA", "no type inside"],
    ["ssh-ed25519 !!!!", "not base64"],
    ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "type without a key"],
    ["ssh-ed25519 /////w==", "a length beyond the end"],
    ["-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"],
  ])("refuses %j (%s)", (text) => {
    expect(publicKeyBlob(text)).toBeNull();
  });
});
