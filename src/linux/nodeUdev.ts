// The node-udev engine: libudev inside this process, found as the npm package or as udev.node beside the bundle. Owns
// the addon's hazards: a listener that throws aborts the process, close() crashes it, so neither ever happens.

import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { inherits } from 'node:util'
import { messageOf, UnreadableAnswer } from '../errors.ts'
import type { UdevProperties } from './blockDevice.ts'
import { createEventQueue, rescan } from './eventQueue.ts'
import { describeListing } from './sysfs.ts'
import type { Udev } from './udev.ts'

/** What is used of the addon. Its objects are udev's properties and a `syspath`. */
export interface NativeUdev {
  readonly list: (subsystem: string) => unknown
  readonly Monitor: new (subsystem: string) => EventEmitter
}

/** libudev's words for what happens to a device; each arrives as an event of this name. */
const actions = ['add', 'remove', 'change', 'move', 'online', 'offline'] as const

/** The addon, or in a sentence why it cannot be used. Must run in the main thread. Never throws. */
export function loadNodeUdev(): NativeUdev | string {
  const load = createRequire(import.meta.url)
  try {
    return usable(load('./udev.node'))
  } catch (besideTheBundle) {
    if (!isMissing(besideTheBundle)) return messageOf(besideTheBundle)
  }
  try {
    // The package's own entry needs the `bindings` package to find this file; nothing else in it is used.
    return usable(load('udev/build/Release/udev.node'))
  } catch (error) {
    return isMissing(error) ? 'it is not installed' : messageOf(error)
  }
}

function usable(addon: unknown): NativeUdev | string {
  if (!isAddon(addon)) return 'it does not offer what node-udev offers'
  // The constructor looks up `emit` on its prototype, so this comes before the first Monitor.
  if (!(addon.Monitor.prototype instanceof EventEmitter)) inherits(addon.Monitor, EventEmitter)
  return addon
}

const isAddon = (value: unknown): value is NativeUdev =>
  typeof value === 'object' &&
  value !== null &&
  'list' in value &&
  typeof value.list === 'function' &&
  'Monitor' in value &&
  typeof value.Monitor === 'function'

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND'

export function createNodeUdev(native: NativeUdev, onWarning: (text: string) => void): Udev {
  const queue = createEventQueue()
  let monitor: EventEmitter | null = null

  function listen(): void {
    if (monitor !== null) return
    monitor = new native.Monitor('block')
    for (const action of actions)
      monitor.on(action, (device: unknown) => {
        try {
          const found = propertiesOf(device)
          queue.push({
            action,
            node: found?.properties['DEVNAME'] ?? '',
            diskSeq: found?.properties['DISKSEQ'] ?? '',
            syspath: found?.syspath ?? '',
            at: Date.now(),
          })
        } catch {
          // An exception that reached the addon would abort the process; the periodic scan finds what was lost here.
        }
      })
  }

  return {
    engine: 'node-udev',
    events: () => {
      const events = queue.subscribe()
      try {
        listen()
      } catch (error) {
        onWarning(`no events from udev, only the periodic scan finds disks: ${messageOf(error)}`)
      }
      queue.push(rescan(Date.now()))
      return events
    },
    scan: async () => {
      const listed = native.list('block')
      if (!Array.isArray(listed)) throw new UnreadableAnswer('node-udev did not answer with a list')
      return describeListing(listed.map(propertiesOf).filter((device) => device !== null))
    },
  }
}

/** Null for what is no device. */
function propertiesOf(device: unknown): { syspath: string; properties: UdevProperties } | null {
  if (typeof device !== 'object' || device === null) return null
  const entries = Object.entries(device).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  const properties: UdevProperties = Object.fromEntries(entries)
  const syspath = properties['syspath']
  return typeof syspath === 'string' ? { syspath, properties } : null
}
