// A notification on every graphical session of this machine, sent by the system service: over each user's own session bus,
// as that user, because a session bus listens to nobody else. busctl(1) comes with systemd; no library is needed.

import { stat } from 'node:fs/promises'
import { messageOf, NotDelivered } from '../errors.ts'
import type { Run } from '../linux/run.ts'
import type { Send } from './channel.ts'
import { bodyAt, type Notice } from './notice.ts'

const deadlineMs = 15_000
/** D-Bus notification urgencies. */
const urgencies = { low: '0', normal: '1', high: '2' } as const

export function createDesktop(run: Run, now: () => Date): Send {
  return async (notice, signal) => {
    const buses = await findSessionBuses(run, signal)
    if (buses.length === 0) throw new NotDelivered('nobody', 'nobody is logged in at a desktop')
    const failures: unknown[] = []
    for (const { uid, gid, path } of buses)
      try {
        // `--` first: one of the arguments is -1.
        const args = [`--address=unix:path=${path}`, '--quiet', '--', 'call', ...callOf(notice, now())]
        await run('busctl', args, { deadlineMs, signal, user: { uid, gid } })
      } catch (error) {
        failures.push(error)
      }
    // Whoever has seen it must not see it again.
    if (failures.length === buses.length)
      throw new NotDelivered('unreachable', messageOf(failures[0]), { cause: failures[0] })
  }
}

interface SessionBus {
  readonly uid: number
  readonly gid: number
  readonly path: string
}

/** One of each user with a graphical session. */
async function findSessionBuses(run: Run, signal: AbortSignal): Promise<readonly SessionBus[]> {
  const ask = async (...args: readonly string[]): Promise<string> => {
    try {
      return (await run('loginctl', args, { deadlineMs, signal })).stdout
    } catch (error) {
      throw new NotDelivered('unreachable', messageOf(error), { cause: error })
    }
  }
  const sessions = (await ask('list-sessions', '--no-legend', '--no-pager'))
    .split('\n')
    .map((line) => line.trim().split(/\s+/)[0] ?? '')
    .filter((id) => id !== '')
  if (sessions.length === 0) return []
  const properties = ['User', 'Type', 'Class', 'State'].map((name) => `--property=${name}`)
  const uids = graphicalUsers(await ask('show-session', ...properties, '--', ...sessions))
  return (await Promise.all(uids.map(findBus))).flatMap((bus) => bus ?? [])
}

/** The users in what `loginctl show-session` says of several sessions: blocks of `Name=value`, a blank line between. */
export function graphicalUsers(shown: string): readonly number[] {
  const users = shown.split(/\n\s*\n/).flatMap((block) => {
    const values = new Map(
      block.split('\n').map((line) => {
        const at = line.indexOf('=')
        return [line.slice(0, at), line.slice(at + 1)] as const
      }),
    )
    const isGraphical = ['x11', 'wayland', 'mir'].includes(values.get('Type') ?? '')
    const isThere = values.get('Class') === 'user' && values.get('State') !== 'closing'
    return isGraphical && isThere ? [Number(values.get('User'))] : []
  })
  return [...new Set(users)].filter((uid) => Number.isInteger(uid) && uid > 0)
}

/** null: there is none, or it is not the user's own. */
async function findBus(uid: number): Promise<SessionBus | null> {
  const path = `/run/user/${uid}/bus`
  try {
    const socket = await stat(path)
    return socket.isSocket() && socket.uid === uid ? { uid, gid: socket.gid, path } : null
  } catch {
    // A session without a bus cannot show anything.
    return null
  }
}

/** https://specifications.freedesktop.org/notification-spec/: Notify, and `0 -1`: it replaces none, the server says how long. */
export const callOf = (notice: Notice, now: Date): readonly string[] => [
  'org.freedesktop.Notifications',
  '/org/freedesktop/Notifications',
  'org.freedesktop.Notifications',
  'Notify',
  'susssasa{sv}i',
  'walkaway',
  '0',
  iconOf(notice),
  notice.title,
  escapeMarkup(bodyAt(notice, now)),
  '0',
  '1',
  'urgency',
  'y',
  urgencies[notice.urgency],
  '-1',
]

function iconOf({ mayUnplug, outcome, urgency }: Notice): string {
  if (mayUnplug === false) return urgency === 'low' ? 'drive-removable-media' : 'dialog-error'
  if (mayUnplug === true && (outcome === null || outcome === 'complete')) return 'media-eject'
  return urgency === 'low' ? 'drive-removable-media' : 'dialog-warning'
}

/** The body, unlike the title, is markup. */
const escapeMarkup = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
