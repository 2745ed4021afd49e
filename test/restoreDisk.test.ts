// A disk that `walkaway restore` uses as somebody else has imported it.
import { expect, test } from 'vitest'
import { openDisk } from '../src/restore.ts'
import { homeMachine } from './fakes/visits.ts'

test('is there as long as its pool is at work', async () => {
  const machine = homeMachine()
  const { pool } = machine.disk('offsite-1')
  pool.imported = { altroot: null }
  const disk = await openDisk(
    { kind: 'imported', pool: pool.name, guid: pool.guid },
    { luksKeyFile: null },
    machine.deps,
  )
  const seen = [await disk.isPresent()]
  pool.suspended = true
  seen.push(await disk.isPresent())
  pool.suspended = false
  pool.imported = null
  seen.push(await disk.isPresent())
  expect(seen).toEqual([true, false, false])
})
