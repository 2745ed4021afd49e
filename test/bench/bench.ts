// `npm run bench`: what walkaway costs, on real ZFS in one boot of the machine. Ratios within one run are what counts;
// absolute times are those of an emulated machine. `npm run bench -- throughput` runs one part; `startup` needs no machine.
import { createDisk } from '../vm/disk.ts'
import { type Machine, startMachine } from '../vm/machine.ts'
import { measureIdle } from './idle.ts'
import { measureReplication } from './replication.ts'
import { measureStartup } from './startup.ts'
import { measureVisits } from './visits.ts'

const nativeParts: Readonly<Record<string, () => Promise<void>>> = { startup: measureStartup }
const machineParts: Readonly<Record<string, (machine: Machine) => Promise<void>>> = {
  throughput: async (machine) => measureVisits(machine, await createDisk({ name: 'bench', sizeMb: 3000 })),
  replication: async (machine) =>
    measureReplication(machine, await createDisk({ name: 'many', sizeMb: 2000 })),
  idle: measureIdle,
}

const asked = process.argv.slice(2)
const known = [nativeParts, machineParts].flatMap(Object.keys)
const unknown = asked.filter((name) => !known.includes(name))
if (unknown.length > 0) {
  process.stderr.write(`there is no part ${unknown.join(', ')}; the parts are ${known.join(', ')}\n`)
  process.exit(2)
}
const isWanted = ([name]: readonly [string, unknown]) => asked.length === 0 || asked.includes(name)

for (const [, measure] of Object.entries(nativeParts).filter(isWanted)) await measure()
const inMachine = Object.entries(machineParts).filter(isWanted)
if (inMachine.length > 0) {
  const machine = await startMachine({ layer: 'installed', name: 'bench' })
  try {
    for (const [, measure] of inMachine) await measure(machine)
  } finally {
    await machine.close()
  }
}
