// To whose certificates a token is sent: those that Node or the machine trusts, and no others.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { trustedCertificates } from '../../src/notify/certificates.ts'
import { post } from '../../src/notify/http.ts'
import { certificate, key } from './certificate.ts'

let server: Server
let bodies: string[]
let folder: string
beforeEach(async () => {
  bodies = []
  server = createServer({ key, cert: certificate }, (request, response) => {
    request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()))
    request.on('end', () => response.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  folder = await mkdtemp(join(tmpdir(), 'walkaway-https-'))
})
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true })
})

const send = (trusted?: () => Promise<string[]>): Promise<void> => {
  const { port } = server.address() as AddressInfo
  const letter = { kind: 'post', url: `https://localhost:${port}/`, headers: {}, body: 'tk_secret' } as const
  return post(letter, AbortSignal.timeout(10_000), trusted)
}

test('a certificate that nobody vouches for ends it before anything is sent', async () => {
  await expect(send()).rejects.toMatchObject({ why: 'unreachable' })
  expect(bodies).toEqual([])
})

test('one that the machine trusts is good, besides those that Node knows', async () => {
  const bundle = join(folder, 'ca-certificates.crt')
  await writeFile(bundle, certificate)
  const trusted = () => trustedCertificates([join(folder, 'none'), bundle])
  await send(trusted)
  expect(bodies).toEqual(['tk_secret'])
  expect(await trusted()).toEqual([...rootCertificates, certificate])
})
