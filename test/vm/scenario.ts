// A scenario is a vitest test that owns machines and disks: they are closed when it ends. Its journal is kept in
// build/vm-journals/ and, when it fails, all that they can tell in build/vm-failures/. What a machine can do is machine.ts.
import { test } from 'vitest'
import { createDisk, type Disk } from './disk.ts'
import { keepEvidence, keepJournals } from './evidence.ts'
import { type Machine, type MachineOptions, startMachine } from './machine.ts'
import { takeTurn } from './turn.ts'

// Before any scenario's time begins.
await takeTurn()

export type Scenario = {
  /** Named after the scenario unless it says otherwise. */
  readonly startMachine: (
    options: Omit<MachineOptions, 'name'> & { readonly name?: string },
  ) => Promise<Machine>
  /** Another computer, without walkaway, with another host name and hostid: to look at a disk from outside. */
  readonly secondMachine: () => Promise<Machine>
  readonly createDisk: (name: string, options?: { readonly sizeMb?: number }) => Promise<Disk>
}

const defaultTimeoutMs = 1_800_000

export function scenario(
  name: string,
  body: (scenario: Scenario) => Promise<void>,
  { timeoutMs = defaultTimeoutMs }: { readonly timeoutMs?: number } = {},
): void {
  test(name, { timeout: timeoutMs }, async ({ onTestFinished, task }) => {
    const machines: Machine[] = []

    // Also after the timeout, when the body may still be waiting for something.
    onTestFinished(async () => {
      keepJournals(name, machines)
      if (task.result?.state === 'fail') {
        const folder = await keepEvidence(name, machines)
        process.stderr.write(`\n${name}: what the machine said is in ${folder}\n`)
      }
      for (const machine of machines) await machine.close()
    }, 180_000)

    async function start(machineOptions: MachineOptions): Promise<Machine> {
      const machine = await startMachine(machineOptions)
      machines.push(machine)
      return machine
    }

    await body({
      startMachine: (machineOptions) =>
        start({ name: machines.length === 0 ? 'nas' : `machine-${machines.length + 1}`, ...machineOptions }),
      secondMachine: () =>
        start({ layer: 'ready', name: 'elsewhere', hostname: 'elsewhere', hostid: '0badcafe' }),
      createDisk: (diskName, { sizeMb = 600 } = {}) => createDisk({ name: diskName, sizeMb }),
    })
  })
}
