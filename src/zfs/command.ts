// How a zfs command is run: classified when it fails, within a deadline, and in as few processes as its arguments fit
// into. What the commands are is zfs.ts and bookmarks.ts.
import type { DatasetName } from '../core/model.ts'
import { AlreadyExists, messageOf, NotFound } from '../errors.ts'
import type { Run } from '../linux/run.ts'
import { classified, parseComplaints } from './complaint.ts'
import { failureKind, ZfsFailed } from './failure.ts'

/** Resolves with stdout; throws `ZfsFailed` with its kind, or the signal's reason. `input`: text for its standard input. */
export type ZfsCommand = (
  args: readonly string[],
  deadlineMs: number,
  options?: { readonly input?: string; readonly signal?: AbortSignal },
) => Promise<string>

export const createZfsCommand =
  (run: Run): ZfsCommand =>
  async (args, deadlineMs, options = {}) => {
    try {
      return (await run('zfs', args, { deadlineMs, ...options })).stdout
    } catch (error) {
      throw classified(error)
    }
  }

/** One look at one thing. */
export const LOOK_MS = 60_000
/** A listing of many thousands of snapshots on a slow, busy disk; a small one takes a fraction of a second. */
export const LIST_MS = 10 * 60_000
/** Waits for a transaction group, which a loaded pool may take long to write. */
export const CHANGE_MS = 3 * 60_000

/** A command line may have 2 MiB (a quarter of the stack's limit), environment included. */
export const MAX_ARGV_BYTES = 1_500_000

export const argvBytes = (args: readonly string[]): number =>
  args.reduce((sum, arg) => sum + arg.length + 9, 0)

/** In the order given, as many in one batch as fit into one command line; `argsOf` is what an item takes there. */
export function batches<T>(
  items: readonly T[],
  argsOf: (item: T) => readonly string[],
  maxItems = Number.POSITIVE_INFINITY,
): readonly (readonly T[])[] {
  const all: T[][] = []
  let current: T[] = []
  let bytes = 0
  for (const item of items) {
    const more = argvBytes(argsOf(item))
    if (current.length === 0 || bytes + more > MAX_ARGV_BYTES || current.length === maxItems) {
      current = []
      bytes = 0
      all.push(current)
    }
    current.push(item)
    bytes += more
  }
  return all
}

/** ZFS says that exactly this dataset is not there; that another is missing says nothing about this one. */
export function isAbsence(error: unknown, dataset: DatasetName): boolean {
  if (!(error instanceof ZfsFailed) || error.kind !== 'not-found') return false
  return parseComplaints(error.stderr).some(({ about, kind }) => kind === 'not-found' && about === dataset)
}

/** The failures that callers tell apart by class; any other as it came. */
export function throwNamed(error: unknown): never {
  const kind = failureKind(error)
  if (kind === 'not-found') throw new NotFound(messageOf(error), { cause: error })
  if (kind === 'exists') throw new AlreadyExists(messageOf(error), { cause: error })
  throw error
}

/** For commands that go on after each complaint: fine if every one is of this kind, otherwise what is left counts. */
export const ignoring =
  (kind: 'exists' | 'not-found') =>
  (error: unknown): void => {
    if (!(error instanceof ZfsFailed) || error.exitCode === null) throw error
    const rest = parseComplaints(error.stderr).find((complaint) => complaint.kind !== kind)
    if (rest !== undefined) throw new ZfsFailed(rest.kind, error, { cause: error })
  }

/**
 * Asks about many things at once. ZFS answers about those that are there and complains about the others: then it is
 * asked again about the rest. `namesOf` gives the names under which ZFS may complain of one of them.
 */
export async function askAboutPresent<T>(
  all: readonly T[],
  namesOf: (item: T) => readonly string[],
  ask: (present: readonly T[]) => Promise<string>,
): Promise<string> {
  for (let left = all; left.length > 0; ) {
    try {
      return await ask(left)
    } catch (error) {
      if (failureKind(error) !== 'not-found' || !(error instanceof ZfsFailed)) throw error
      const gone = new Set(parseComplaints(error.stderr).map(({ about }) => about))
      const present = left.filter((item) => !namesOf(item).some((name) => gone.has(name)))
      if (present.length === left.length) throw error
      left = present
    }
  }
  return ''
}
