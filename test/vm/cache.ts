// What is expensive to make is made once: folders in the user's cache, named by a hash of what they are made from, seen
// only when they are whole, made by one process at a time. Knows nothing of what is in them.
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export type Made = {
  readonly folder: string
  /** Differs each time it is made, so that what builds on it is never used with another one made from the same recipe. */
  readonly id: string
}

export type Recipe = {
  readonly kind: string
  readonly ingredients: readonly string[]
  /** Fills the folder. It becomes visible only when this has succeeded. */
  readonly make: (folder: string) => Promise<void>
  /** How many of this kind stay, the last used ones. */
  readonly keep?: number
}

/** What was made from this recipe before, or undefined. */
function findMade({ kind, ingredients }: Pick<Recipe, 'kind' | 'ingredients'>): Made | undefined {
  const folder = join(cacheFolder(), `${kind}-${hashOf(ingredients)}`)
  if (!existsSync(join(folder, 'id'))) return undefined
  markUsed(folder)
  return { folder, id: readFileSync(join(folder, 'id'), 'utf8') }
}

/** What is in use must not be the oldest of its kind when another process tidies up. */
export function markUsed(folder: string): void {
  const now = new Date()
  utimesSync(folder, now, now)
}

/** Makes it unless it is there, and removes the oldest of its kind. */
export async function makeOnce(recipe: Recipe): Promise<Made> {
  const found = findMade(recipe)
  if (found !== undefined) return found
  mkdirSync(cacheFolder(), { recursive: true })
  return withLock(
    join(cacheFolder(), `${recipe.kind}.lock`),
    `${recipe.kind} is being made by another process; waiting for it`,
    async () => {
      const madeMeanwhile = findMade(recipe)
      if (madeMeanwhile !== undefined) return madeMeanwhile
      const folder = join(cacheFolder(), `${recipe.kind}-${hashOf(recipe.ingredients)}`)
      const unfinished = `${folder}.unfinished`
      for (const name of readdirSync(cacheFolder())) {
        if (name.startsWith(`${recipe.kind}-`) && name.endsWith('.unfinished'))
          rmSync(join(cacheFolder(), name), { recursive: true })
      }
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(unfinished)
      await recipe.make(unfinished)
      const id = randomUUID()
      writeFileSync(join(unfinished, 'id'), id)
      renameSync(unfinished, folder)
      removeOld(recipe.kind, recipe.keep ?? 2)
      return { folder, id }
    },
  )
}

export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'walkaway')
}

/** The kernel frees the lock when its holder ends, however it ends. */
async function withLock<T>(path: string, whenTaken: string, work: () => Promise<T>): Promise<T> {
  const script = 'flock --nonblock 9 || { echo taken; flock 9; }; echo held; exec cat >/dev/null'
  const holder = spawn('sh', ['-c', `exec 9>"$1"; ${script}`, 'sh', path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    holder.once('error', reject)
    holder.once('exit', (code) => reject(new Error(`cannot lock ${path}: flock ended with ${code}`)))
    holder.stdout.on('data', (chunk: Buffer) => {
      if (chunk.includes('taken')) say(whenTaken)
      if (chunk.includes('held')) resolve()
    })
  })
  try {
    return await work()
  } finally {
    // Not only asked to: our own event loop may stand still from here on, for as long as the scenarios run.
    const ended = new Promise((resolve) => holder.once('exit', resolve))
    holder.stdin.end()
    if (holder.exitCode === null && holder.signalCode === null) await ended
  }
}

function removeOld(kind: string, keep: number): void {
  const made = readdirSync(cacheFolder())
    .filter((name) => name.startsWith(`${kind}-`) && !name.endsWith('.unfinished'))
    .map((name) => ({ path: join(cacheFolder(), name), usedAt: statSync(join(cacheFolder(), name)).mtimeMs }))
    .sort((a, b) => b.usedAt - a.usedAt)
  for (const { path } of made.slice(keep)) rmSync(path, { recursive: true, force: true })
}

export function hashOf(parts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:${part}`)
  return hash.digest('hex').slice(0, 16)
}

const startedAt = Date.now()

/** A line for the person who waits, with the time since the start. */
export function say(line: string): void {
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  process.stderr.write(`${clock.padStart(5)}  ${line}\n`)
}
