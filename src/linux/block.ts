// The last steps between an exported pool and a disk in the hand: is it still the same device, does it answer, who
// holds it, is its cache flushed and its motor stopped. Everything that may hang runs in a child with a deadline.

import { constants } from 'node:fs'
import { access, type FileHandle, open, realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { PoolName } from '../core/model.ts'
import { CommandFailed, messageOf } from '../errors.ts'
import { findHolders } from './holders.ts'
import type { FindHolders } from './holdersOutside.ts'
import type { Run } from './run.ts'
import { readAttribute, sectorBytes } from './sysfs.ts'
import { within } from './within.ts'

/** A device as it was when it was last looked at: `node` may belong to another one by now, `diskSeq` tells. */
export interface DeviceIdentity {
  /** `/dev/sdb` or `/dev/sdb1` */
  readonly node: string
  /** Empty on kernels without it. */
  readonly diskSeq: string
}

export type ReleaseResult =
  /** Nothing holds it, its cache is flushed; `stopped`: its motor, too. `note` says in words why it was not stopped. */
  | { readonly kind: 'released'; readonly stopped: boolean; readonly note: string | null }
  | { readonly kind: 'held'; readonly holders: readonly string[] }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly reason: string }

export interface Block {
  /** True when the node exists and belongs to the disk with this sequence number. Cheap: reads sysfs only. Never throws. */
  isSameDevice(device: DeviceIdentity): Promise<boolean>
  /** True when a small read past every cache succeeds within the deadline. Never throws. */
  readable(node: string, options?: { readonly deadlineMs?: number }): Promise<boolean>
  /** True when this link leads to this node now. Never throws. */
  leadsTo(link: string, node: string): Promise<boolean>
  /** Flushes and, with `spinDown`, stops a whole disk whose pool was exported. Never throws, never awaits for ever. */
  release(disk: DeviceIdentity, options: { readonly spinDown: boolean }): Promise<ReleaseResult>
  /** Who uses the disk (its partitions included) or the pool, each in a phrase for a person; empty when none was found. */
  holders(of: { readonly disk?: string; readonly pool?: PoolName }): Promise<readonly string[]>
  /** Size of a disk or partition; null when it is gone. */
  sizeBytes(node: string): Promise<bigint | null>
}

export interface BlockOptions {
  readonly run: Run
  /** Another way to find out who uses a disk. */
  readonly holders?: FindHolders
  /** Only for tests: where sysfs, procfs and the device nodes are. */
  readonly root?: { readonly sys?: string; readonly proc?: string; readonly dev?: string }
}

/** A disk that went to sleep by itself takes its time to wake. */
const readDeadlineMs = 30_000
const settleDeadlineMs = 15_000
/** Caches of half a gigabyte on a slow shingled disk take their time. */
const flushDeadlineMs = 180_000
const stopDeadlineMs = 60_000
const claimDeadlineMs = 30_000

export function createBlock({ run, root = {}, ...options }: BlockOptions): Block {
  const { sys = '/sys', proc = '/proc', dev = '/dev' } = root
  const holders = options.holders ?? ((of) => findHolders(of, { sys, proc, dev }))
  const classPath = (node: string): string =>
    `${sys}/class/block/${node.slice(dev.length + 1).replaceAll('/', '!')}`

  async function isSameDevice({ node, diskSeq }: DeviceIdentity): Promise<boolean> {
    try {
      await access(node, constants.F_OK)
      const syspath = await realpath(classPath(node))
      const isPartition = (await readAttribute(`${syspath}/partition`)) !== null
      const found = await readAttribute(`${isPartition ? dirname(syspath) : syspath}/diskseq`)
      return (found ?? '') === diskSeq
    } catch {
      // Gone, or not to be looked at: either way nothing shows that it is the same.
      return false
    }
  }

  async function readable(node: string, { deadlineMs = readDeadlineMs } = {}): Promise<boolean> {
    const args = [`if=${node}`, 'of=/dev/null', 'bs=4096', 'count=1', 'iflag=direct', 'status=none']
    return run('dd', args, { deadlineMs }).then(
      () => true,
      () => false,
    )
  }

  async function release(
    disk: DeviceIdentity,
    { spinDown }: { readonly spinDown: boolean },
  ): Promise<ReleaseResult> {
    if (!(await isSameDevice(disk))) return { kind: 'gone' }
    await letUdevFinish()
    const result = await releaseClaimed(disk.node, spinDown)
    return (await isSameDevice(disk)) ? result : { kind: 'gone' }
  }

  /**
   * An export writes labels, and udev then reads the disk again: when that came after the stop, it would spin up. A
   * udev that does not come to rest is no reason to keep the disk.
   */
  async function letUdevFinish(): Promise<void> {
    await run('udevadm', ['settle', '--timeout=10'], { deadlineMs: settleDeadlineMs }).catch(() => undefined)
  }

  /** Flushes and stops while an exclusive claim keeps everybody else from mounting or importing it. */
  async function releaseClaimed(node: string, spinDown: boolean): Promise<ReleaseResult> {
    // A disk that answers a child has an open() that returns: this process must not hang in the kernel.
    if (!(await readable(node))) return { kind: 'failed', reason: 'it does not answer any more' }
    const claim = await claimExclusively(node)
    switch (claim.kind) {
      case 'held': {
        const found = await holders({ disk: node })
        return {
          kind: 'held',
          holders: found.length > 0 ? found : ['the kernel: a pool or mapping on it is in use'],
        }
      }
      case 'failed':
        return claim
      case 'claimed':
        try {
          return await flushAndStop(node, spinDown)
        } finally {
          await claim.handle.close()
        }
    }
  }

  async function flushAndStop(node: string, spinDown: boolean): Promise<ReleaseResult> {
    try {
      // sync(1) opens the disk read-only and calls fsync, which flushes the cache of the disk itself.
      await run('sync', [node], { deadlineMs: flushDeadlineMs })
    } catch (error) {
      return { kind: 'failed', reason: `its cache could not be flushed: ${messageOf(error)}` }
    }
    if (!spinDown) return { kind: 'released', stopped: false, note: null }
    if (!(await isScsi(node))) return { kind: 'released', stopped: false, note: 'it has no motor to stop' }
    return stop(node)
  }

  const isScsi = async (node: string): Promise<boolean> =>
    access(`${classPath(node)}/device/scsi_disk`, constants.F_OK).then(
      () => true,
      () => false,
    )

  async function stop(node: string): Promise<ReleaseResult> {
    for (let tries = 1; ; tries += 1) {
      const result = await stopOnce(node)
      if (result !== 'again') return result
      if (tries === 3) return { kind: 'failed', reason: 'it did not stop: it is busy with something else' }
    }
  }

  // Read-only, because closing a disk that was open for writing makes udev read it again, and that starts it again.
  async function stopOnce(node: string): Promise<ReleaseResult | 'again'> {
    try {
      await run('sg_start', ['--readonly', '--stop', node], { deadlineMs: stopDeadlineMs })
      return { kind: 'released', stopped: true, note: null }
    } catch (error) {
      if (!(error instanceof CommandFailed))
        return { kind: 'failed', reason: `it did not stop: ${messageOf(error)}` }
      if (error.exitCode === null && error.signal === null)
        return { kind: 'failed', reason: 'it cannot be stopped: sg_start is missing (package sg3-utils)' }
      switch (meaningOfStop(error.exitCode)) {
        case 'stopped':
          return { kind: 'released', stopped: true, note: null }
        case 'unsupported':
          return { kind: 'released', stopped: false, note: 'it does not support being stopped' }
        case 'again':
          return 'again'
        case 'failed':
          return { kind: 'failed', reason: `it did not stop: ${messageOf(error)}` }
      }
    }
  }

  return {
    isSameDevice,
    readable,
    release,
    leadsTo: async (link, node) =>
      Promise.all([realpath(link), realpath(node)]).then(
        ([target, device]) => target === device,
        () => false,
      ),
    holders,
    sizeBytes: async (node) => {
      const sectors = await readAttribute(`${classPath(node)}/size`)
      return sectors === null ? null : BigInt(sectors) * sectorBytes
    },
  }
}

type Claim =
  | { readonly kind: 'claimed'; readonly handle: FileHandle }
  | { readonly kind: 'held' }
  | { readonly kind: 'failed'; readonly reason: string }

/** Opens the whole disk exclusively, which fails while a pool, mount or mapping holds it or a partition of it. */
async function claimExclusively(node: string): Promise<Claim> {
  const opened = open(node, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK).then(
    (handle): Claim => ({ kind: 'claimed', handle }),
    (error: unknown): Claim =>
      error instanceof Error && 'code' in error && error.code === 'EBUSY'
        ? { kind: 'held' }
        : { kind: 'failed', reason: `it could not be opened: ${messageOf(error)}` },
  )
  const claim = await within(claimDeadlineMs, opened)
  if (claim !== 'late') return claim
  // When it returns after all, nobody is waiting for it.
  void opened.then((tooLate) => (tooLate.kind === 'claimed' ? tooLate.handle.close() : undefined))
  return { kind: 'failed', reason: `opening it did not end within ${claimDeadlineMs / 1000} s` }
}

/** The exit codes of sg3_utils that matter for a stop. */
function meaningOfStop(exitCode: number | null): 'stopped' | 'unsupported' | 'again' | 'failed' {
  switch (exitCode) {
    case 20: // no sense
    case 21: // recovered error
      return 'stopped'
    case 2: // not ready: what a bridge says of a disk that is stopped already
    case 5: // illegal request
    case 9: // invalid operation code
    case 17: // illegal request, with a field pointer
      return 'unsupported'
    case 6: // unit attention: told once
    case 11: // aborted command
    case 26: // busy
      return 'again'
    default:
      return 'failed'
  }
}
