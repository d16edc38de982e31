/** Certificates as the settings say. */
import type { Limits } from "../limits.ts";
import { openAcme, type AcmeConfig, type AcmeOptions } from "./acme/certificates.ts";
import type { Certificates } from "./certificate.ts";
import { openFiles, type CertificateFiles } from "./files.ts";

export type TlsConfig = { mode: "off" } | ({ mode: "files" } & CertificateFiles) | ({ mode: "acme" } & AcmeConfig);

export interface CertificateOptions extends Pick<AcmeOptions, "domain" | "dataDir" | "onFirst" | "log"> {
  /** Whether somebody has this name. */
  isClaimed: (name: string) => boolean | Promise<boolean>;
  limits: () => Limits;
}

/** Throws EDGE_TLS. */
export function openCertificates(
  tls: Exclude<TlsConfig, { mode: "off" }>,
  { isClaimed, limits, ...options }: CertificateOptions,
): Certificates {
  const below = `.${options.domain}`;
  if (tls.mode === "files") return openFiles(tls, options.domain, options.log);
  return openAcme({
    ...tls,
    ...options,
    mayHave: (host) => host.endsWith(below) && isClaimed(host.slice(0, -below.length)),
    limits: () => ({
      ordersPerHour: limits()["certificate-orders-per-hour"],
      firstsPerWeek: limits()["first-certificates-per-week"],
    }),
  });
}
