// Bookmarks: made, compared and destroyed, each for many datasets in as few processes as ZFS allows. A bookmark is a base
// that costs no space; which ones there must be is core/replication.ts.
import pLimit from 'p-limit'
import { type Bookmark, bookmarkPath, type DatasetName, type Snapshot, snapshotPath } from '../core/model.ts'
import { together } from '../core/together.ts'
import { AlreadyExists, BadInput, DeadlineExceeded, NotFound, Refused } from '../errors.ts'
import {
  askAboutPresent,
  batches,
  CHANGE_MS,
  ignoring,
  LOOK_MS,
  MAX_ARGV_BYTES,
  type ZfsCommand,
} from './command.ts'
import { byPool, checkBookmark, checkSnapshots } from './names.ts'
import { type BookmarkEnd, parseBookmarkEnds, parseGuids, parseWritten } from './parse.ts'
import { runProgram } from './program.ts'

/** A bookmark that shall be there: `dataset#name` of this snapshot. */
export interface WantedBookmark {
  readonly snapshot: Snapshot
  readonly name: string
}
/** How much was written to the dataset from the bookmark to this later snapshot of it? null: to what it is now. */
export interface WrittenQuestion {
  readonly from: Bookmark
  readonly to: Snapshot | null
}
const pathTo = ({ from, to }: WrittenQuestion): string => (to === null ? from.dataset : snapshotPath(to))

export interface Bookmarks {
  /**
   * Makes bookmarks; one process for each pool, whatever their number. One that has its snapshot's GUID already is fine.
   * Returns those that could not be made with the reason, by their snapshot's path: `AlreadyExists` (it stands for
   * another snapshot), `NotFound` (the snapshot is gone), `BadInput` (no name that ZFS would take), `Refused`.
   */
  bookmarkAll(wanted: readonly WantedBookmark[]): Promise<ReadonlyMap<string, Error>>
  /**
   * Destroys each bookmark if what has that name still has that GUID; otherwise, or if it is gone, does nothing. One
   * process to read them all, and one for each that goes, some at a time so that they share transaction groups: `zfs
   * destroy` takes one, channel programs none. Throws the first failure once none is at work any more.
   */
  destroyBookmarks(bookmarks: readonly Bookmark[]): Promise<void>
  /**
   * Bytes of each `to` that were written since its `from`, by dataset (ask once for each): exact, and of a snapshot it
   * cannot change any more. Not answered: where ZFS cannot tell (a bookmark from before `feature@bookmark_written`) or one of the two
   * is gone. One process for many.
   */
  writtenSince(questions: readonly WrittenQuestion[]): Promise<ReadonlyMap<DatasetName, bigint>>
}

// Arguments: snapshot and bookmark in turn.
const program = `
local argv = (...)["argv"]
local ends = {}
for at = 1, #argv, 2 do
  local errno = zfs.sync.bookmark(argv[at], argv[at + 1])
  local word = "failed"
  if errno == 0 then word = "made" end
  if errno == EEXIST then word = "exists" end
  if errno == ENOENT then word = "gone" end
  ends[#ends + 1] = word
end
return table.concat(ends, " ")
`

/** All of them are made while the pool writes one transaction group; far below a channel program's default limits. */
const MAX_MADE_AT_ONCE = 2_000

/** Every bookmark's name is asked of every dataset in one question: that many lines are still read at once. */
const MAX_ANSWERS = 20_000

/** Each waits for a transaction group. */
const DESTROYED_AT_A_TIME = 8

export function createBookmarks(zfs: ZfsCommand): Bookmarks {
  const pathOf = ({ snapshot, name }: WantedBookmark): string => `${snapshot.dataset}#${name}`

  async function bookmarkAll(wanted: readonly WantedBookmark[]): Promise<ReadonlyMap<string, Error>> {
    const reasons = new Map<string, Error>()
    const takes = (one: WantedBookmark): boolean => {
      try {
        checkSnapshots([snapshotPath(one.snapshot)])
        checkBookmark(pathOf(one))
        return true
      } catch (error) {
        if (!(error instanceof BadInput)) throw error
        reasons.set(snapshotPath(one.snapshot), error)
        return false
      }
    }
    for (const [pool, ofPool] of byPool(wanted.filter(takes), ({ snapshot }) => snapshot.dataset))
      for (const batch of batches(
        ofPool,
        (one) => [snapshotPath(one.snapshot), pathOf(one)],
        MAX_MADE_AT_ONCE,
      )) {
        const args = batch.flatMap((one) => [snapshotPath(one.snapshot), pathOf(one)])
        const stdout = await runProgram(zfs, { pool, lua: program, args, deadlineMs: CHANGE_MS })
        const ends = parseBookmarkEnds(stdout, batch.length)
        const there = await guidsOf(batch.filter((_, at) => ends[at] === 'exists').map(pathOf))
        for (const [at, one] of batch.entries()) {
          const reason = failureOf(ends[at], pathOf(one))
          if (reason !== null && there.get(pathOf(one)) !== one.snapshot.guid)
            reasons.set(snapshotPath(one.snapshot), reason)
        }
      }
    return reasons
  }

  async function guidsOf(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>()
    for (const batch of batches(paths, (path) => [path])) {
      const stdout = await askAboutPresent(
        batch,
        (path) => [path, path.split('#', 1)[0] ?? path],
        (present) => zfs(['get', '-Hp', '-o', 'name,value', 'guid', ...present], LOOK_MS),
      )
      for (const [path, guid] of parseGuids(stdout)) found.set(path, guid)
    }
    return found
  }

  async function destroyBookmarks(doomed: readonly Bookmark[]): Promise<void> {
    for (const bookmark of doomed) checkBookmark(bookmarkPath(bookmark))
    const guids = await guidsOf(doomed.map(bookmarkPath))
    const limit = pLimit(DESTROYED_AT_A_TIME)
    let hangs: Error | null = null
    await together(
      doomed
        .filter((bookmark) => guids.get(bookmarkPath(bookmark)) === bookmark.guid)
        .map((bookmark) =>
          limit(async () => {
            // No more of them is started than hang already.
            if (hangs !== null) throw hangs
            try {
              await zfs(['destroy', bookmarkPath(bookmark)], CHANGE_MS).catch(ignoring('not-found'))
            } catch (error) {
              if (error instanceof DeadlineExceeded) hangs = error
              throw error
            }
          }),
        ),
    )
  }

  async function writtenSince(
    questions: readonly WrittenQuestion[],
  ): Promise<ReadonlyMap<DatasetName, bigint>> {
    for (const { from, to } of questions) {
      checkBookmark(bookmarkPath(from))
      if (to !== null) checkSnapshots([snapshotPath(to)])
    }
    const found = new Map<DatasetName, bigint>()
    for (const batch of batchQuestions(questions)) {
      const names = [...new Set(batch.map(({ from }) => `written#${from.name}`))].join(',')
      const columns = ['get', '-Hp', '-o', 'name,property,value', names]
      const stdout = await askAboutPresent(
        batch,
        (question) => [pathTo(question), question.from.dataset],
        (present) => zfs([...columns, ...present.map(pathTo)], LOOK_MS),
      )
      const written = parseWritten(stdout)
      for (const question of batch) {
        const { dataset, name } = question.from
        const bytes = written.get(pathTo(question))?.get(`written#${name}`) ?? null
        if (bytes !== null) found.set(dataset, bytes)
      }
    }
    return found
  }

  return { bookmarkAll, destroyBookmarks, writtenSince }
}

function failureOf(end: BookmarkEnd | undefined, path: string): Error | null {
  switch (end) {
    case 'made':
      return null
    case 'exists':
      return new AlreadyExists(`${path} stands for another snapshot`)
    case 'gone':
      return new NotFound(`there is no snapshot for ${path} any more`)
    case 'failed':
    case undefined:
      return new Refused(`ZFS did not make ${path}`)
  }
}

/** Those with the same bookmark name together: all names of a batch are asked of all its datasets. */
function batchQuestions(questions: readonly WrittenQuestion[]): readonly (readonly WrittenQuestion[])[] {
  const sorted = [...questions].sort((a, b) => (a.from.name < b.from.name ? -1 : 1))
  const all: WrittenQuestion[][] = []
  let current: WrittenQuestion[] = []
  let names = new Set<string>()
  let bytes = 0
  for (const question of sorted) {
    const more = pathTo(question).length + question.from.name.length + 20
    const lines = (names.size + (names.has(question.from.name) ? 0 : 1)) * (current.length + 1)
    if (current.length === 0 || lines > MAX_ANSWERS || bytes + more > MAX_ARGV_BYTES) {
      current = []
      names = new Set()
      bytes = 0
      all.push(current)
    }
    current.push(question)
    names.add(question.from.name)
    bytes += more
  }
  return all
}
