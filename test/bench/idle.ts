// What the daemon costs while no disk is there: memory and CPU time over ten minutes. In emulation a second of CPU does a
// fraction of what a real one does: what Node takes to start, in the machine and on this computer, is the measure.
import { spawnSync } from 'node:child_process'
import { configure, startService } from '../vm/home.ts'
import type { Machine } from '../vm/machine.ts'
import { median, print } from './figures.ts'

const minutes = 10
/** The start itself is not idling. */
const settleMs = 30_000
/** The `kB` of proc_pid_status(5) are 1024 bytes. */
const mbPerKib = 1024 / 1e6
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export async function measureIdle(machine: Machine): Promise<void> {
  print(`idle: no disk plugged in, ${minutes} minutes`)
  await configure(
    machine,
    [{ name: 'absent', serial: 'WDABSENT0001', pool: 'absent', poolGuid: '4425734906477738374' }],
    { log: { level: 'info' } },
  )
  await startService(machine)
  await pause(settleMs)
  const begin = await readCost(machine)
  await pause(minutes * 60_000)
  const end = await readCost(machine)
  const empty = await readEmptyNode(machine)
  await machine.run(['systemctl', 'stop', 'walkaway'], { deadlineMs: 120_000 })

  const cpuSeconds = (end.cpuNs - begin.cpuNs) / 1e9
  const daemonSeconds = (end.daemonTicks - begin.daemonTicks) / 100
  print(
    `  resident memory of the daemon: ${end.residentMb.toFixed(1)} MB (target: below 60): ${end.residentMb < 60 ? 'met' : 'NOT met'}`,
  )
  const realStart = realStartSeconds()
  const realSeconds = daemonSeconds * (realStart / empty.startSeconds)
  print(
    `  CPU time of the daemon, in seconds of this computer: ${realSeconds.toFixed(2)} s (target: below 1): ${realSeconds < 1 ? 'met' : 'NOT met'}`,
  )
  print(
    `    in the machine ${daemonSeconds.toFixed(2)} s, with its children ${cpuSeconds.toFixed(2)} s; a Node that does nothing takes ${empty.startSeconds.toFixed(2)} s there to start, and ${realStart.toFixed(3)} s here`,
  )
  print(`  for comparison, a Node that does nothing: ${empty.residentMb.toFixed(1)} MB`)
}

async function readCost(
  machine: Machine,
): Promise<{ readonly cpuNs: number; readonly residentMb: number; readonly daemonTicks: number }> {
  const output = await machine.script(`
    pid=$(systemctl show walkaway --property MainPID --value)
    systemctl show walkaway --property CPUUsageNSec --value
    awk '/VmRSS/ { print $2 }' "/proc/$pid/status"
    awk '{ print $14 + $15 }' "/proc/$pid/stat"
  `)
  const [cpuNs = Number.NaN, residentKib = Number.NaN, daemonTicks = Number.NaN] = output
    .trim()
    .split('\n')
    .map(Number)
  return { cpuNs, residentMb: residentKib * mbPerKib, daemonTicks }
}

/** CPU time that Node takes to start on this computer itself. */
function realStartSeconds(): number {
  const report = 'const { user, system } = process.cpuUsage(); user + system'
  const once = () => Number(spawnSync(process.execPath, ['-p', report], { encoding: 'utf8' }).stdout) / 1e6
  return median(Array.from({ length: 9 }, once))
}

/** What Node itself costs in the machine. */
async function readEmptyNode(
  machine: Machine,
): Promise<{ readonly residentMb: number; readonly startSeconds: number }> {
  const output = await machine.script(`
    node -e 'setInterval(() => {}, 1000000)' &
    sleep 20
    awk '/VmRSS/ { print $2 }' "/proc/$!/status"
    awk '{ print $14 + $15 }' "/proc/$!/stat"
    kill $!
  `)
  const [residentKib = Number.NaN, ticks = Number.NaN] = output.trim().split('\n').map(Number)
  return { residentMb: residentKib * mbPerKib, startSeconds: ticks / 100 }
}
