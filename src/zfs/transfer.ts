// One stream from `zfs send` to `zfs receive` through a pipe of the kernel: what is sent, how it is received safely, how
// far it is, and whose fault it was. No byte of it passes through JavaScript. What to send is decided elsewhere.
import {
  type Bookmark,
  bookmarkPath,
  type DatasetName,
  type ResumeToken,
  type Snapshot,
  snapshotPath,
} from '../core/model.ts'
import { type BroughtBack, restoreReceiveFlags, restoreSendFlags } from '../core/restoreCommands.ts'
import { BadInput, DeadlineExceeded, messageOf, TransferFailed } from '../errors.ts'
import { type Child, commandFailed, type Ending, launch, type Run } from '../linux/run.ts'
import { classified, saysBrokenPipe } from './complaint.ts'
import { failureKind } from './failure.ts'
import { checkAssignments, checkBookmark, checkDatasets, checkSnapshots, checkToken } from './names.ts'
import { createPipes } from './pipes.ts'
import {
  parseReceivedBytes,
  parseToken,
  readProgress,
  type TokenContent,
  type TransferProgress,
  withoutProgress,
} from './streamReport.ts'

export type { TokenContent, TransferProgress } from './streamReport.ts'

export type SendSource =
  | { readonly kind: 'full'; readonly to: Snapshot }
  /** `intermediates` also carries the snapshots between; only from a snapshot (a bookmark: `BadInput`). */
  | {
      readonly kind: 'incremental'
      readonly from: Snapshot | Bookmark
      readonly to: Snapshot
      readonly intermediates: boolean
    }
  /** Goes on where the target's token says: exactly one snapshot. Check the token with `readToken` first. */
  | { readonly kind: 'resume'; readonly token: ResumeToken }

export interface TransferRequest {
  readonly send: SendSource
  /** The source is encrypted: sent raw, for ever (a copy that was once received otherwise cannot go on, #8758). */
  readonly encrypted: boolean
  readonly receive: {
    readonly target: DatasetName
    readonly type: 'filesystem' | 'volume'
    /** User properties that the copy gets: what it says of itself. */
    readonly marks?: Readonly<Record<string, string>>
  }
  /**
   * `masked`, for a backup: what the source had set is kept but not in force. For a restore: as it was on the source,
   * which only a plain stream can bring and a raw one has to be given; nothing can be resumed then. Left out: `masked`.
   */
  readonly properties?: 'masked' | BroughtBack
  /** Ends the transfer: the sender first, so that the receiver keeps a token. Stalls are for the caller to see. */
  readonly signal: AbortSignal
  /**
   * Whether the receiver may be told to end, too, when the sender hangs in the kernel and keeps the stream open: not on a
   * suspended pool, where it would spin. Left out: never.
   */
  readonly mayEndReceiver?: () => Promise<boolean>
  readonly onProgress: (progress: TransferProgress) => void
}

export interface TransferResult {
  /** What `zfs receive -v` reports for this stream (three digits of precision); a resumed one counts only its rest. */
  readonly receivedBytes: number
}

export interface Transfer {
  /** Something will be sent soon: what its stream needs is made beside other work. Never throws. */
  prepare(): void
  /**
   * Resolves when both sides ended with exit code 0. That is not proof: read the target's GUIDs back.
   * Throws `TransferFailed` with the side whose fault it was (`failureKind` of it tells why), the signal's reason
   * when aborted, `DeadlineExceeded` if a side did not end after the other had; `BadInput`.
   */
  transfer(request: TransferRequest): Promise<TransferResult>
  /** What this token stands for. Throws what `Zfs` verbs throw, but a dead token is a value. */
  readToken(token: ResumeToken): Promise<TokenContent>
}

export interface TransferOptions {
  readonly run: Run
  /** Only root may write here: the pipes stand there for a moment. */
  readonly runtimeDir: string
  readonly zfsProgram?: string
  /** How long a sender that was told to end, or has nobody to send to, may take. */
  readonly senderEndMs?: number
  /** How long an aborted receiver may take after its stream ended. Then it is left alone, never killed. */
  readonly receiverEndMs?: number
}

/** An estimate may walk much metadata before it answers. */
const TOKEN_MS = 5 * 60_000

export function createTransfer({
  run,
  runtimeDir,
  zfsProgram = 'zfs',
  senderEndMs = 20_000,
  receiverEndMs = 30_000,
}: TransferOptions): Transfer {
  const pipes = createPipes(run, runtimeDir)

  async function transfer(request: TransferRequest): Promise<TransferResult> {
    const { signal, onProgress } = request
    const sendArgs = sendArguments(request)
    const receiveArgs = receiveArguments(request)
    signal.throwIfAborted()
    const pipe = await pipes.open()
    let stdout = ''
    try {
      // First: it has to look through the dataset before it sends.
      const sender = launch(zfsProgram, sendArgs, {
        stdout: pipe.writeEnd,
        onStderr: readProgress(onProgress),
      })
      const receiver = launch(zfsProgram, receiveArgs, {
        stdin: pipe.readEnd,
        stdout: (text) => {
          stdout += text
        },
      })
      // Only the children may hold it: an end of the stream is seen when the last writer is gone.
      pipe.close()
      judge(await attend(sender, receiver, request), { sendArgs, receiveArgs, signal })
    } finally {
      pipe.giveBack()
    }
    return { receivedBytes: parseReceivedBytes(stdout) }
  }

  /** Waits for both. The sender is ended first; the receiver gets a signal only where it would see no end of the stream. */
  async function attend(
    sender: Child,
    receiver: Child,
    { signal, mayEndReceiver = async () => false }: TransferRequest,
  ): Promise<Endings> {
    const over = new AbortController()
    const aborted = new Promise<'aborted'>((resolve) => {
      const told = () => resolve('aborted')
      if (signal.aborted) told()
      signal.addEventListener('abort', told, { once: true, signal: over.signal })
    })
    const first = await Promise.race([
      sender.ended.then(() => 'sent' as const),
      receiver.ended.then((ending) => (isSuccess(ending) ? 'received' : 'refused')),
      aborted,
    ])
    switch (first) {
      case 'sent':
        // It may still have much to write, or wait for a disk to come back: as long as the caller is patient.
        await Promise.race([receiver.ended, aborted])
        break
      case 'received':
        break
      case 'refused':
      case 'aborted':
        sender.kill('SIGTERM')
        break
    }
    const send = await endingOf(sender, senderEndMs, () => sender.kill('SIGKILL'))
    // What is not known may be a suspended pool.
    if (send.kind === 'abandoned' && (await mayEndReceiver().catch(() => false))) receiver.kill('SIGTERM')
    const receive = await endingOf(receiver, receiverEndMs, () => undefined)
    over.abort()
    return { send, receive, refused: first === 'refused' }
  }

  function judge({ send, receive, refused }: Endings, { sendArgs, receiveArgs, signal }: Asked): void {
    if (isSuccess(send) && isSuccess(receive)) return
    if (receive.kind === 'abandoned') throw new DeadlineExceeded('zfs receive', receiverEndMs)
    if (send.kind === 'abandoned') throw new DeadlineExceeded('zfs send', senderEndMs)
    signal.throwIfAborted()
    const refusal = failureOf([zfsProgram, ...receiveArgs], receive)
    const failure = failureOf([zfsProgram, ...sendArgs], send)
    // A receiver that only saw the stream end too early suffers from its sender; a lost receiver is no fault of it.
    const ended = refused && send.kind === 'ended' && send.signal === 'SIGTERM'
    const starved = failureKind(refusal) === 'broken-stream' && !ended && !lostReceiver(send)
    if (refusal === null || (failure !== null && starved)) {
      throw new TransferFailed('send', messageOf(failure), { cause: failure })
    }
    throw new TransferFailed('receive', messageOf(refusal), { cause: refusal })
  }

  async function readToken(token: ResumeToken): Promise<TokenContent> {
    checkToken(token)
    try {
      const { stdout } = await run(zfsProgram, ['send', '-nvP', '-t', token], { deadlineMs: TOKEN_MS })
      return parseToken(stdout)
    } catch (error) {
      const failure = classified(error)
      if (failureKind(failure) === 'token-dead') return { kind: 'dead', reason: messageOf(failure) }
      throw failure
    }
  }

  return { prepare: pipes.prepare, transfer, readToken }
}

interface Endings {
  readonly send: Ending
  readonly receive: Ending
  /** The receiver failed while the sender was at work, which was then told to end. */
  readonly refused: boolean
}
interface Asked {
  readonly sendArgs: readonly string[]
  readonly receiveArgs: readonly string[]
  readonly signal: AbortSignal
}

const isSuccess = (ending: Ending): boolean => ending.kind === 'ended' && ending.exitCode === 0

const lostReceiver = (ending: Ending): boolean =>
  ending.kind === 'ended' && (ending.signal === 'SIGPIPE' || saysBrokenPipe(ending.stderr))

function failureOf(
  command: readonly string[],
  ending: Exclude<Ending, { readonly kind: 'abandoned' }>,
): unknown {
  if (isSuccess(ending)) return null
  const told = ending.kind === 'ended' ? { ...ending, stderr: withoutProgress(ending.stderr) } : ending
  return classified(commandFailed(command, told))
}

/** How it ended; what does not end in time is abandoned, after `lastWord`. */
async function endingOf(child: Child, deadlineMs: number, lastWord: () => void): Promise<Ending> {
  const timer = setTimeout(() => {
    lastWord()
    child.abandon()
  }, deadlineMs)
  try {
    return await child.ended
  } finally {
    clearTimeout(timer)
  }
}

/** Large blocks (-L once is -L for ever), compressed as on disk, with properties. No -e: encrypted targets refuse it. */
const plainSend = ['-L', '-c', '-p'] as const
const rawSend = ['-w', '-p'] as const

function sendArguments({ send, encrypted, properties = 'masked' }: TransferRequest): readonly string[] {
  const masked = properties === 'masked'
  if (!masked && encrypted !== (properties !== 'in-force' && properties.raw))
    throw new BadInput('properties come back with a plain stream, and are given to a raw one')
  const backup = encrypted ? rawSend : plainSend
  const flags = ['send', '-vP', ...(masked ? backup : restoreSendFlags(properties))]
  switch (send.kind) {
    case 'full':
      checkSnapshots([snapshotPath(send.to)])
      return [...flags, snapshotPath(send.to)]
    case 'incremental': {
      const { from, to, intermediates } = send
      checkSnapshots([snapshotPath(to)])
      if ('holds' in from) {
        checkSnapshots([snapshotPath(from)])
        return [...flags, intermediates ? '-I' : '-i', snapshotPath(from), snapshotPath(to)]
      }
      if (intermediates) throw new BadInput('a bookmark is a base for one snapshot only')
      checkBookmark(bookmarkPath(from))
      return [...flags, '-i', bookmarkPath(from), snapshotPath(to)]
    }
    case 'resume':
      checkToken(send.token)
      return ['send', '-vP', '-t', send.token]
  }
}

const set = (assignment: string): readonly string[] => ['-o', assignment]
const except = (property: string): readonly string[] => ['-x', property]

/** A copy that another program snapshots has gone its own way: what zfs-auto-snapshot and its like go by says no. */
const unsnapshotted = set('com.sun:auto-snapshot=false')

/**
 * Nothing of the disk is mounted, shared, run or allowed to grow or shrink by what the source had set. Of a file system's
 * limits not even the received value is kept (-x of what is not inherited drops it): put in force first and overridden
 * then, one larger than the disk would fail the receive.
 */
const safeProperties = {
  filesystem: [
    ...['readonly=on', 'canmount=noauto', 'setuid=off', 'devices=off', 'exec=off'].flatMap(set),
    ...['mountpoint', 'sharenfs', 'sharesmb'].flatMap(except),
    ...['quota', 'refquota', 'reservation', 'refreservation'].flatMap(except),
    ...unsnapshotted,
  ],
  volume: [
    ...['readonly=on', 'volmode=none', 'refreservation=none'].flatMap(set),
    ...except('reservation'),
    ...unsnapshotted,
  ],
} as const

function receiveArguments(request: TransferRequest): readonly string[] {
  const { encrypted, receive, properties = 'masked' } = request
  checkDatasets(receive.target)
  if (properties !== 'masked') {
    if (properties !== 'in-force') checkAssignments(properties.set)
    return ['receive', '-v', ...restoreReceiveFlags(properties), receive.target]
  }
  const marks = Object.entries(checkAssignments(receive.marks ?? {})).flatMap(([name, value]) =>
    set(`${name}=${value}`),
  )
  // A plain stream with properties would be stored in plain text even below an encrypted dataset.
  const encryption = encrypted ? [] : except('encryption')
  return [
    'receive',
    '-s',
    '-u',
    '-v',
    ...safeProperties[receive.type],
    ...marks,
    ...encryption,
    receive.target,
  ]
}
