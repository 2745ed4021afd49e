// `walkaway run DISK` and `walkaway eject DISK`: asks the daemon, then follows the disk to the end of what was asked for.
// Nothing here decides that a disk is safe: it passes on what the daemon has proven.
import { askStatus } from '../control/client.ts'
import type { DiskAnswer, Refusal, StatusReply } from '../control/protocol.ts'
import type { Wish } from '../core/diskState.ts'
import { visitPhases } from '../core/model.ts'
import { oneLine } from '../linux/oneLine.ts'
import { controlSocket } from './places.ts'
import { nextStatus } from './polling.ts'
import { progressLine } from './progressText.ts'
import { stateInWords, visitInWords } from './statusText.ts'
import { clip, lookOf, type Output } from './words.ts'

export interface WishOptions {
  readonly wish: Wish
  readonly disk: string
  readonly stdout: Output
  readonly stderr: Output
  /** Ends the following, and nothing else. */
  readonly interrupted: AbortSignal
  readonly socket?: string
  readonly pollMs?: number
  readonly now?: () => Date
}

/** The daemon looks at every device before it answers. */
const deadlineMs = 15_000

/** Returns the exit code: 0 when what was asked for came about, 1 otherwise; 3 without a daemon; 4 for a disk that is refused; what it refuses with. */
export async function runWish(options: WishOptions): Promise<number> {
  const { wish, disk: name, stderr, interrupted, socket = controlSocket, pollMs = 500 } = options
  const screen = createScreen(options)
  let reply = await askStatus(socket, { version: 1, command: wish, disk: name }, { deadlineMs })
  for (;;) {
    const disk = diskOf(reply, name)
    if (typeof disk === 'string') {
      screen.end()
      stderr.write(`walkaway: ${oneLine(disk)}\n`)
      return 'kind' in reply ? 3 : reply.ok ? 1 : reply.error.exitCode
    }
    if (isOver(wish, disk)) return screen.tellEnd(disk)
    screen.show(disk)
    const next = await nextStatus({ socket, pollMs, interrupted })
    if (next === null) return screen.tellInterrupted()
    reply = next
  }
}

/** A sentence when there is nothing to follow. */
function diskOf(
  reply: StatusReply | Refusal | { readonly kind: 'not-running' },
  name: string,
): DiskAnswer | string {
  if ('kind' in reply) return 'the daemon is not running; start it with: systemctl start walkaway'
  if (!reply.ok) return reply.error.message
  return reply.status.disks.find((disk) => disk.name === name) ?? `${name} is not configured any more`
}

const underWay: ReadonlySet<string> = new Set(visitPhases)

const isOver = (wish: Wish, { state, ending }: DiskAnswer): boolean =>
  !ending && !underWay.has(state) && !(wish === 'run' && state === 'arriving')

const afterInterrupt = {
  run: (name: string) =>
    `the visit of ${name} goes on; to watch it: walkaway status; to end it early: walkaway eject ${name}`,
  eject: (name: string) =>
    `${name} is let go of all the same; do not take it before it is said to be safe: walkaway status`,
} as const

interface Screen {
  /** A line for each thing that changes; on a terminal the last line says how far it is. */
  show(disk: DiskAnswer): void
  end(): void
  tellEnd(disk: DiskAnswer): 0 | 1 | 4
  tellInterrupted(): 1
}

function createScreen({ wish, disk: name, stdout, now = () => new Date() }: WishOptions): Screen {
  const live = stdout.isTTY === true
  let said = ''
  let drawn = false

  const erase = (): void => {
    if (drawn) stdout.write('\r\x1b[K')
    drawn = false
  }
  const say = (line: string): void => {
    erase()
    stdout.write(`${line}\n`)
  }
  return {
    show(disk) {
      const { progress, state, ending } = disk
      const dataset = progress?.dataset ?? null
      const sending = dataset === null ? '' : `, ${dataset}`
      const asked = underWay.has(state) ? ', ending early' : ', being released'
      const line = oneLine(`${name}: ${stateInWords(disk)}${ending ? asked : sending}`)
      if (line !== said) say(line)
      said = line
      if (!live || progress === null || !underWay.has(state)) return
      const columns = lookOf(stdout).columns ?? 80
      const bar = progressLine(progress, { width: columns - 1, now: now() })
      if (bar === null) return
      erase()
      stdout.write(clip(bar, columns - 1))
      drawn = true
    },
    end: erase,
    tellEnd(disk) {
      const { state, reason, lastVisit } = disk
      const visit =
        lastVisit === null ? [] : visitInWords(lastVisit, now()).map((line) => `  ${oneLine(line)}`)
      for (const line of [
        `${name}: ${stateInWords(disk)}${reason === null ? '' : `: ${oneLine(reason)}`}`,
        ...visit,
      ])
        say(line)
      if (wish === 'run' && state === 'refused') return 4
      const backedUp =
        lastVisit?.outcome === 'complete' && (state === 'removable' || state === 'not-removable')
      return (wish === 'run' ? backedUp : state === 'removable') ? 0 : 1
    },
    tellInterrupted() {
      say(afterInterrupt[wish](name))
      return 1
    },
  }
}
