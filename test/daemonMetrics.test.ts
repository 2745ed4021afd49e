// The daemon keeps the metrics file as things stand: from the arrival to the release, on a reload, and when it stops.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Config } from '../src/config.ts'
import type { Machine } from './fakes/machine.ts'
import { type Service, startService, stopTime } from './fakes/service.ts'
import { homeMachine } from './fakes/visits.ts'

let folder: string
let file: string
let machine: Machine
beforeEach(() => {
  stopTime()
  folder = mkdtempSync(join(tmpdir(), 'walkaway-metrics-'))
  file = join(folder, 'walkaway.prom')
  machine = homeMachine()
  machine.unplug('offsite-1')
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

const config = (textfile: string | null): Config => ({ ...machine.config(), metrics: { textfile } })
/** Real file operations take real time, which does not stand still. */
const written = (text: string) =>
  vi.waitFor(() => expect(readFileSync(file, 'utf8')).toContain(text), { timeout: 5000, interval: 5 })
const inState = (state: string) => written(`walkaway_disk_state{disk="offsite-1",state="${state}"} 1`)
const start = (reload?: () => Config): Promise<Service> =>
  startService(machine, {
    config: config(file),
    ...(reload === undefined ? {} : { reload: async () => ({ kind: 'ok', config: reload() }) as const }),
  })

test('a visit, as the file shows it', async () => {
  const service = await start()
  await inState('absent')
  expect(readFileSync(file, 'utf8')).not.toContain('last_complete')
  await service.plugIn('offsite-1')
  await service.pass(10_000)
  await inState('removable')
  const { disks } = await service.status()
  await written(
    `walkaway_disk_last_complete_timestamp_seconds{disk="offsite-1"} ${Date.parse(disks[0]?.lastComplete ?? '') / 1000}\n`,
  )
  await service.daemon.stop('SIGTERM')
  await written('walkaway_up 0\n')
  expect(readFileSync(file, 'utf8')).not.toContain('walkaway_disk_state')
  expect(readFileSync(file, 'utf8')).toContain('last_complete')
})

test('a disk becomes overdue while nothing happens', async () => {
  const overdue = (): Config => ({
    ...config(file),
    disks: machine.config().disks.map((disk) => ({ ...disk, overdueMs: 3_600_000 })),
  })
  const service = await startService(machine, { config: overdue() })
  await service.plugIn('offsite-1')
  await service.pass(10_000)
  await inState('removable')
  await service.unplug('offsite-1')
  await service.pass(3_000)
  await written('walkaway_disk_overdue{disk="offsite-1"} 0\n')
  await service.pass(2 * 3_600_000)
  await written('walkaway_disk_overdue{disk="offsite-1"} 1\n')
  await service.daemon.stop('SIGTERM')
})

test('a reload without it removes the file', async () => {
  const service = await start(() => config(null))
  await inState('absent')
  await service.daemon.reload()
  await service.pass(1_000)
  await vi.waitFor(() => expect(existsSync(file)).toBe(false), { timeout: 5000, interval: 5 })
  await service.daemon.stop('SIGTERM')
  expect(existsSync(file)).toBe(false)
})
