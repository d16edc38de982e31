/** Which names may be asked for (`--name shop`). */

/** Names that mean something to browsers, mail, certificate authorities or operators, or that a visitor would take for ours. */
const RESERVED = new Set(
  `www www1 www2 api admin administrator root system internal intranet local localhost localdomain loopback broadcasthost
  mail email smtp imap pop pop3 mx webmail postmaster hostmaster webmaster abuse noc security autodiscover autoconfig
  ftp sftp ssh vpn proxy gateway edge relay dns ns ns1 ns2 ns3 ns4 ntp ldap wpad isatap
  tunnel tunnels host hosts hosting domain domains status health healthz ready readyz metrics monitoring
  acme acme-challenge well-known ssl tls cert certs certificate certificates pki crl ocsp
  airy airyhq console dashboard control panel portal static assets cdn
  auth login logout signin signup register account accounts sso oauth oauth2 openid password secure verify billing payment payments
  support help docs about legal terms privacy contact example invalid onion null undefined none any all everyone
  facebook instagram whatsapp messenger meta google apple microsoft paypal`
    .trim()
    .split(/\s+/),
);

export type NameFault = "NAME_INVALID" | "NAME_RESERVED";

/**
 * Null for a name that may be claimed. A name is one DNS label: 3 to 63 lower-case letters, digits and hyphens, no hyphen at either end,
 * and no two in third and fourth place, where `xn--` would make it look like another script's letters (RFC 5891, 4.2.3.1).
 */
export function faultInName(name: string): NameFault | null {
  if (!/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(name) || name.startsWith("--", 2)) return "NAME_INVALID";
  return RESERVED.has(name) ? "NAME_RESERVED" : null;
}
