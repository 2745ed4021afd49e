// Whom a server's certificate may come from: Node's own list, and what this machine trusts besides, such as the CA of a home
// network (update-ca-certificates(8)). A Node that is not the distribution's does not look there by itself.

import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'

/** Debian and its like; Fedora and its like. */
const systemBundles: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
]

/** What Node would read by itself, if nobody named certificates, is among them. */
const bundlesHere = (): readonly string[] => [
  ...systemBundles,
  ...[process.env['NODE_EXTRA_CA_CERTS']].filter((path) => path !== undefined),
]

/** In PEM. A machine without a bundle has Node's own list. */
export async function trustedCertificates(bundles = bundlesHere()): Promise<string[]> {
  const found = await Promise.all(bundles.map((path) => readFile(path, 'utf8').catch(() => '')))
  return [...rootCertificates, ...found.filter((text) => text !== '')]
}
