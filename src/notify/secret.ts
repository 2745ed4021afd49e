// A channel's secret, read anew for each message: a token that was changed is used at once, and none is kept in memory.

import { readFile } from 'node:fs/promises'
import type { Secret } from '../config.ts'
import { NotDelivered } from '../errors.ts'

/** The first line of the file. Throws `NotDelivered` when it cannot be read or is empty. */
export async function readSecret(secret: Secret): Promise<string> {
  if (secret.kind === 'inline') return secret.reveal()
  let text: string
  try {
    text = await readFile(secret.path, 'utf8')
  } catch {
    // What went wrong with it is for `walkaway config check`; the file is named.
    throw new NotDelivered('unreachable', `${secret.path} cannot be read`)
  }
  const line = (text.split('\n')[0] ?? '').trim()
  if (line === '') throw new NotDelivered('unreachable', `${secret.path} has nothing in its first line`)
  return line
}

/** The header of a bearer token; none without one. */
export const bearer = async (token: Secret | null): Promise<Readonly<Record<string, string>>> =>
  token === null ? {} : { authorization: `Bearer ${await readSecret(token)}` }
