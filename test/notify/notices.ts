// Notices and events for the tests of the channels, and a server that remembers what it was sent.

import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { diskName, poolName, type VisitReport } from '../../src/core/model.ts'
import type { WalkawayEvent } from '../../src/events.ts'
import { createNotice, type Notice } from '../../src/notify/notice.ts'
import { report } from '../core/sightings.ts'

export const now = new Date('2026-11-22T21:25:10Z')
export const ofDisk = { disk: diskName('offsite-1'), pool: poolName('offsite-1') }
export const safe = (fields: Partial<VisitReport> = {}): WalkawayEvent => ({
  kind: 'safe-to-remove',
  ...ofDisk,
  report: report(fields),
  stopped: true,
  note: null,
})
export const notSafe: WalkawayEvent = {
  kind: 'not-safe-to-remove',
  ...ofDisk,
  outcome: 'complete',
  reason: 'the pool is busy',
  hint: 'close what uses it',
}
export const noticeOf = (event: WalkawayEvent): Notice => createNotice(event, { at: now, host: 'nas' })

export interface Request {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Receiver {
  readonly url: string
  readonly requests: Request[]
  /** Answers with this from now on; null: takes the request and never answers. */
  answerWith(status: number | null): void
  close(): Promise<void>
}

/** A web server on this machine. */
export async function startReceiver(port = 0): Promise<Receiver> {
  const requests: Request[] = []
  let status: number | null = 200
  const server = createServer((incoming, answer) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming
      requests.push({ method, path: url, headers, body: Buffer.concat(chunks).toString() })
      if (status !== null) answer.writeHead(status).end('an answer that quotes tk_secret')
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answerWith(next) {
      status = next
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
