// What the daemon costs while no disk is there: memory and CPU time over ten minutes.
import { configure, startService } from '../vm/home.ts'
import type { Machine } from '../vm/machine.ts'
import { print } from './figures.ts'

const minutes = 10
/** The start itself is not idling. */
const settleMs = 30_000
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
    `  resident memory of the daemon: ${(end.residentKb / 1000).toFixed(1)} MB (target: below 60): ${end.residentKb < 60_000 ? 'met' : 'NOT met'}`,
  )
  print(
    `  CPU time of the daemon: ${daemonSeconds.toFixed(2)} s (target: below 1): ${daemonSeconds < 1 ? 'met' : 'NOT met'}`,
  )
  print(`  CPU time with its children: ${cpuSeconds.toFixed(2)} s`)
  print(
    `  for comparison, a Node that does nothing: ${(empty.residentKb / 1000).toFixed(1)} MB, and ${empty.startSeconds.toFixed(2)} s of CPU to start; the daemon's time is that of ${(daemonSeconds / empty.startSeconds).toFixed(1)} such starts (on real hardware one takes about 0.04 s)`,
  )
}

async function readCost(
  machine: Machine,
): Promise<{ readonly cpuNs: number; readonly residentKb: number; readonly daemonTicks: number }> {
  const output = await machine.script(`
    pid=$(systemctl show walkaway --property MainPID --value)
    systemctl show walkaway --property CPUUsageNSec --value
    awk '/VmRSS/ { print $2 }' "/proc/$pid/status"
    awk '{ print $14 + $15 }' "/proc/$pid/stat"
  `)
  const [cpuNs = Number.NaN, residentKb = Number.NaN, daemonTicks = Number.NaN] = output
    .trim()
    .split('\n')
    .map(Number)
  return { cpuNs, residentKb, daemonTicks }
}

/** What Node itself costs on this machine: in emulation each second of CPU does a fraction of what a real one does. */
async function readEmptyNode(
  machine: Machine,
): Promise<{ readonly residentKb: number; readonly startSeconds: number }> {
  const output = await machine.script(`
    node -e 'setInterval(() => {}, 1000000)' &
    sleep 20
    awk '/VmRSS/ { print $2 }' "/proc/$!/status"
    awk '{ print $14 + $15 }' "/proc/$!/stat"
    kill $!
  `)
  const [residentKb = Number.NaN, ticks = Number.NaN] = output.trim().split('\n').map(Number)
  return { residentKb, startSeconds: ticks / 100 }
}
