// `npm run bench`: what walkaway costs, on real ZFS in one boot of the machine. Ratios within one run are what counts;
// absolute times are those of an emulated machine. `npm run bench -- throughput` runs one part.
import { createDisk } from '../vm/disk.ts'
import { type Machine, startMachine } from '../vm/machine.ts'
import { measureIdle } from './idle.ts'
import { measureReplication } from './replication.ts'
import { measureVisits } from './visits.ts'

const parts: Readonly<Record<string, (machine: Machine) => Promise<void>>> = {
  throughput: async (machine) => measureVisits(machine, await createDisk({ name: 'bench', sizeMb: 3000 })),
  replication: async (machine) =>
    measureReplication(machine, await createDisk({ name: 'many', sizeMb: 2000 })),
  idle: measureIdle,
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in parts))
if (unknown.length > 0) {
  process.stderr.write(
    `there is no part ${unknown.join(', ')}; the parts are ${Object.keys(parts).join(', ')}\n`,
  )
  process.exit(2)
}

const machine = await startMachine({ layer: 'installed', name: 'bench' })
try {
  for (const [name, measure] of Object.entries(parts))
    if (wanted.length === 0 || wanted.includes(name)) await measure(machine)
} finally {
  await machine.close()
}
