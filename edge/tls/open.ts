/** Certificates as the settings say. */
import type { LimitName, Limits } from "../limits.ts";
import { openAcme, type AcmeConfig, type AcmeOptions } from "./acme/certificates.ts";
import type { Certificates } from "./certificate.ts";
import { leadsTo } from "./leads-here.ts";
import { openFiles, type CertificateFiles } from "./files.ts";

export type TlsConfig = { mode: "off" } | ({ mode: "files" } & CertificateFiles) | ({ mode: "acme" } & AcmeConfig);

export interface CertificateOptions extends Pick<AcmeOptions, "domain" | "dataDir" | "onFirst" | "log"> {
  /** Whether somebody has this name. */
  isClaimed: (name: string) => boolean | Promise<boolean>;
  /** Of a host that is not below the domain: the name that the operator lets it lead to; null: none. */
  nameOfHost: (host: string) => string | null;
  limits: () => Limits;
  onRefused: (limit: LimitName) => void;
}

/** Throws EDGE_TLS. */
export function openCertificates(
  tls: Exclude<TlsConfig, { mode: "off" }>,
  { isClaimed, nameOfHost, limits, onRefused, ...options }: CertificateOptions,
): Certificates {
  const below = `.${options.domain}`;
  const mayHave = async (host: string): Promise<boolean> => {
    if (host.endsWith(below)) return isClaimed(host.slice(0, -below.length));
    const name = nameOfHost(host);
    return name !== null && (await isClaimed(name)) && leadsTo(host, name + below);
  };
  if (tls.mode === "files") return openFiles(tls, options.domain, options.log);
  return openAcme({
    ...tls,
    ...options,
    mayHave,
    onLimited: (limit) => onRefused(limit === "ordersPerHour" ? "certificate-orders-per-hour" : "first-certificates-per-week"),
    limits: () => ({
      ordersPerHour: limits()["certificate-orders-per-hour"],
      firstsPerWeek: limits()["first-certificates-per-week"],
    }),
  });
}
