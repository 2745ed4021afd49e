// What the daemon and its commands say to each other over the control socket: one JSON object a line, version 1.
// Owns the shape, its validation on both sides, and the size limits. Knows nothing of sockets.

import * as z from 'zod/mini'
import english from 'zod/v4/locales/en.js'
import { outcomes, type VisitReport, visitPhases } from '../core/model.ts'
import { UnreadableAnswer } from '../errors.ts'

const protocolVersion = 1
/**
 * zod/mini, which loads in a fraction of the time, says of itself only that an input is invalid. To compile a shape takes
 * longer than to read one answer by it.
 */
const inWords = { error: english().localeError, jitless: true }
/** A longer request is refused. */
export const maxRequestBytes = 64 * 1024
/** A longer reply is not read: some thousand failed datasets fit many times. */
export const maxReplyBytes = 16 * 1024 * 1024

/** The states of SPEC section 3. */
export const diskStates = [
  'absent',
  'arriving',
  'refused',
  ...visitPhases,
  'removable',
  'not-removable',
  'pulled',
  'stuck',
] as const

const instant = z.iso.datetime()
const count = z.int().check(z.nonnegative())
const bytes = z.number().check(z.nonnegative())
const guid = z.string().check(z.regex(/^[0-9]{1,20}$/))

const visitShape = z.object({
  startedAt: instant,
  finishedAt: instant,
  outcome: z.enum(outcomes),
  sentBytes: bytes,
  datasets: z.object({ total: count, sent: count, unchanged: count, failed: count }),
  failures: z.readonly(z.array(z.object({ dataset: z.string(), reason: z.string() }))),
  reason: z.nullable(z.string()),
  space: z.nullable(
    z.object({
      allocatedBytes: bytes,
      sizeBytes: bytes,
      missingBytes: bytes,
      fullInVisits: z.nullable(count),
    }),
  ),
})
/** One visit of a disk, in SPEC section 5's form; instants in ISO 8601, UTC. */
export type VisitAnswer = z.infer<typeof visitShape>

export const visitAnswer = (visit: VisitReport): VisitAnswer => ({
  startedAt: visit.startedAt.toISOString(),
  finishedAt: visit.finishedAt.toISOString(),
  outcome: visit.outcome,
  sentBytes: visit.sentBytes,
  datasets: visit.datasets,
  failures: visit.failures,
  reason: visit.reason,
  space: visit.space,
})

const progressShape = z.object({
  phase: z.enum(visitPhases),
  dataset: z.nullable(z.string()),
  sentBytes: bytes,
  totalBytes: bytes,
  bytesPerSecond: bytes,
  readyAt: z.nullable(instant),
})

const diskShape = z.object({
  name: z.string(),
  pool: z.string(),
  poolGuid: guid,
  serials: z.readonly(z.array(z.string())),
  state: z.enum(diskStates),
  /** Since when it is in this state; null when that was before the daemon started. */
  since: z.nullable(instant),
  /** Why, for `refused`, `not-removable`, `pulled` and `stuck`: sentences for a person. */
  reason: z.nullable(z.string()),
  overdue: z.boolean(),
  /** When the next complete backup is due; null when none has ever been made. */
  dueBy: z.nullable(instant),
  lastComplete: z.nullable(instant),
  lastVisit: z.nullable(visitShape),
  /** `walkaway eject` was asked for, and is not done yet. */
  ending: z.boolean(),
  /** Not null exactly while a visit runs. */
  progress: z.nullable(progressShape),
})
export type DiskAnswer = z.infer<typeof diskShape>

const undeliveredShape = z.object({
  /** The channel, without secrets. */
  channel: z.string(),
  waiting: count,
  /** Too old to be tried again. */
  givenUp: count,
  since: instant,
  reason: z.string(),
})
export type UndeliveredAnswer = z.infer<typeof undeliveredShape>

const statusShape = z.object({
  version: z.literal(1),
  host: z.string(),
  daemon: z.object({ version: z.string(), startedAt: instant }),
  disks: z.readonly(z.array(diskShape)),
  /** Messages that a notification channel did not take. */
  undelivered: z.readonly(z.array(undeliveredShape)),
})
/** What `status --json` prints. */
export type StatusAnswer = z.infer<typeof statusShape>

/** The visits of one disk or of all that are known, oldest first; what `history --json` prints. */
const historyShape = z.object({
  version: z.literal(1),
  visits: z.readonly(z.array(z.extend(visitShape, { disk: z.string(), pool: z.string() }))),
})
export type HistoryAnswer = z.infer<typeof historyShape>

const disk = z.string().check(z.minLength(1), z.maxLength(256))
const requestShape = z.discriminatedUnion('command', [
  z.strictObject({ version: z.literal(protocolVersion), command: z.literal('status') }),
  z.strictObject({
    version: z.literal(protocolVersion),
    command: z.literal('history'),
    disk: z.nullable(disk),
  }),
  /** Reads the configuration again; a broken one is refused with its mistakes, and the old one stays in force. */
  z.strictObject({ version: z.literal(protocolVersion), command: z.literal('reload') }),
  z.strictObject({ version: z.literal(protocolVersion), command: z.literal('run'), disk }),
  z.strictObject({ version: z.literal(protocolVersion), command: z.literal('eject'), disk }),
])
export type Request = z.infer<typeof requestShape>

const refusalShape = z.object({
  version: z.literal(protocolVersion),
  ok: z.literal(false),
  error: z.object({ message: z.string(), exitCode: z.int().check(z.minimum(1), z.maximum(4)) }),
})
/** What was asked for is under way, or was so already: how things stand now. */
const statusReplyShape = z.object({
  version: z.literal(protocolVersion),
  ok: z.literal(true),
  status: statusShape,
})
const historyReplyShape = z.object({
  version: z.literal(protocolVersion),
  ok: z.literal(true),
  history: historyShape,
})
const replyShape = z.union([statusReplyShape, historyReplyShape, refusalShape])
export type StatusReply = z.infer<typeof statusReplyShape>
export type HistoryReply = z.infer<typeof historyReplyShape>
export type Reply = z.infer<typeof replyShape>
export type Refusal = z.infer<typeof refusalShape>

/** A reply that says no; the exit codes are those of SPEC section 5. */
export const refusal = (message: string, exitCode: Refusal['error']['exitCode']): Refusal => ({
  version: protocolVersion,
  ok: false,
  error: { message, exitCode },
})

export type ParsedRequest =
  | { readonly kind: 'request'; readonly request: Request }
  | { readonly kind: 'bad'; readonly why: string }

/** Reads one request line, without its line feed. Anything odd in it is an answer, not an exception. */
export function parseRequest(line: string): ParsedRequest {
  const json = parseJson(line)
  if (json.kind === 'bad') return json
  const spoken = z.record(z.string(), z.unknown()).safeParse(json.value)
  if (!spoken.success) return { kind: 'bad', why: 'a request is a JSON object' }
  if (spoken.data['version'] !== protocolVersion)
    return {
      kind: 'bad',
      why: `this daemon speaks version ${protocolVersion} of its protocol, the request says ${scalarOf(spoken.data['version'])}; after an upgrade: systemctl restart walkaway`,
    }
  const request = requestShape.safeParse(json.value, inWords)
  return request.success
    ? { kind: 'request', request: request.data }
    : { kind: 'bad', why: firstIssue(request.error) }
}

/** The line for a request, with its line feed. */
export const formatRequest = (request: Request): string => `${JSON.stringify(request)}\n`

/** The line for a reply, with its line feed. Throws `UnreadableAnswer` when the reply breaks the protocol. */
export function formatReply(reply: Reply): string {
  const checked = replyShape.safeParse(reply, inWords)
  if (!checked.success)
    throw new UnreadableAnswer(`a reply breaks the protocol: ${firstIssue(checked.error)}`)
  return `${JSON.stringify(checked.data)}\n`
}

/** Reads one reply line. Throws `UnreadableAnswer`; keys that are not known yet are left out. */
export function parseReply(line: string): Reply {
  const json = parseJson(line)
  if (json.kind === 'bad') throw new UnreadableAnswer(`the daemon's answer: ${json.why}`)
  const reply = replyShape.safeParse(json.value, inWords)
  if (!reply.success) {
    throw new UnreadableAnswer(`the daemon's answer cannot be understood: ${firstIssue(reply.error)}`, {
      hint: 'the daemon and this command may be of different versions: systemctl restart walkaway',
    })
  }
  return reply.data
}

function parseJson(
  line: string,
): { readonly kind: 'json'; readonly value: unknown } | { readonly kind: 'bad'; readonly why: string } {
  try {
    const value: unknown = JSON.parse(line)
    return { kind: 'json', value }
  } catch {
    // The parser's own message would quote the input back.
    return { kind: 'bad', why: 'not a line of JSON' }
  }
}

function firstIssue(error: z.core.$ZodError): string {
  const issue = deepest(error.issues)
  if (issue === undefined) return 'not valid'
  const where = issue.path.map(String).join('.')
  return brief(where === '' ? issue.message : `${where}: ${issue.message}`)
}

/** Of the shapes that a reply may have, the one that it comes nearest to is the one that it was to be. */
function deepest(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined {
  const [first] = issues
  if (first?.code !== 'invalid_union') return first
  const found = first.errors.flatMap((shape) => deepest(shape) ?? [])
  return found.reduce(
    (best, issue) => (issue.path.length > best.path.length ? issue : best),
    found[0] ?? first,
  )
}

/** Lists and maps are not written out: nested deeply enough, they overflow the stack. */
function scalarOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  return brief(typeof value === 'object' && value !== null ? 'something else' : String(value))
}

function brief(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
