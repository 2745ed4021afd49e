// config.yaml -> Config, or every mistake in it at once, each with its line and column. Pure: text in, data out;
// the file itself, who may write it and who may read its secrets is config/load.ts.

import { byPosition, type Finding, parseTree } from './config/document.ts'
import type { EventName } from './config/eventNames.ts'
import { explainIssue, plainValue } from './config/findings.ts'
import { findGroup, findPlaces, type GroupPlace, type Places } from './config/places.ts'
import { fillInto, judge } from './config/rules.ts'
import type { Written, WrittenChannel } from './config/schema.ts'
import { written } from './config/schema.ts'
import type { SecretUse } from './config/secrets.ts'
import { findSecrets } from './config/secrets.ts'
import { credentialName, type QuietHours } from './config/values.ts'
import type { Disk, LuksUuid } from './core/model.ts'
import { diskName } from './core/model.ts'
import type { KeepPolicy } from './core/retention.ts'
import type { Source } from './core/selection.ts'

/** What is configured, every default filled in. `null` where a thing is switched off or left out. */
export interface Config {
  readonly sources: readonly Source[]
  readonly disks: readonly ConfiguredDisk[]
  readonly backup: {
    /** Dataset path below the disk's pool; the host's name is filled in. */
    readonly into: string
    readonly snapshots: 'all' | 'own'
    readonly parallel: number
    readonly onConflict: 'stop' | 'set-aside'
  }
  readonly keep: { readonly disk: KeepPolicy; readonly source: KeepPolicy }
  readonly finish: { readonly scrubEveryMs: number | null; readonly spinDown: boolean }
  readonly remind: {
    readonly overdueMs: number | null
    readonly takeAwayMs: number | null
    readonly quiet: QuietHours | null
  }
  readonly notify: readonly Channel[]
  readonly metrics: { readonly textfile: string | null }
  readonly control: { readonly group: string | null }
  readonly log: { readonly level: 'error' | 'warning' | 'info' | 'debug' }
}

export interface ConfiguredDisk extends Disk {
  /** The disk's own, else `remind.overdue`; null: never. */
  readonly overdueMs: number | null
  /** An absolute path; of a credential, too. */
  readonly keyFile: string | null
  /** `keyFile`: an absolute path; of a credential, too. */
  readonly luks: { readonly uuid: LuksUuid; readonly keyFile: string } | null
}

/** The secret itself is behind a function, so that printing a Config does not print it. */
export type Secret =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'inline'; readonly reveal: () => string }

interface Told {
  /** null: what a person must know (notify/choice.ts). */
  readonly on: readonly EventName[] | null
}
export type Channel = Told &
  (
    | { readonly type: 'desktop' }
    | { readonly type: 'wall' }
    | {
        readonly type: 'email'
        readonly to: readonly string[]
        readonly from: string
        /** Null: the machine's own sendmail. */
        readonly smtp: Smtp | null
      }
    | {
        readonly type: 'ntfy'
        readonly url: string
        readonly token: Secret | null
        readonly click: string | null
      }
    | { readonly type: 'gotify'; readonly url: string; readonly token: Secret | null }
    | { readonly type: 'webhook'; readonly url: string; readonly token: Secret | null }
    | { readonly type: 'healthchecks'; readonly url: string }
    /** Program and arguments, placeholders not yet filled in. */
    | { readonly type: 'command'; readonly run: readonly string[] }
  )
export interface Smtp {
  readonly host: string
  readonly port: number
  readonly user: string | null
  readonly password: Secret | null
}

export interface Mistake {
  readonly file: string
  /** 1-based, as is the column; 1:1 when the file as a whole is meant. */
  readonly line: number
  readonly column: number
  /** What is wrong; what was expected. One line; no secrets. */
  readonly message: string
}

interface Found {
  /** In the order of the file. */
  readonly warnings: readonly Mistake[]
  /** Where the file holds or names secrets; whether others can read them is for config/load.ts to find out. */
  readonly secrets: readonly SecretUse[]
  /** Whether there is such a group is for config/load.ts to find out, too. */
  readonly group: GroupPlace | null
}
export type ParsedConfig =
  | ({ readonly kind: 'ok'; readonly config: Config; readonly places: Places } & Found)
  | ({ readonly kind: 'rejected'; readonly mistakes: readonly Mistake[] } & Found)

export const renderMistake = ({ file, line, column, message }: Mistake): string =>
  `${file}:${line}:${column}: ${message}`

/** Where systemd keeps the credentials of this program's service. */
const credentialsOfService = '/run/credentials/walkaway.service'

/**
 * Never throws. `file` is only for the messages; `host` is what `{host}` stands for; `credentials` is the folder that
 * `credential:NAME` lies in, the service's own when missing.
 */
export function parseConfig(
  text: string,
  {
    file,
    host,
    credentials = credentialsOfService,
  }: { readonly file: string; readonly host: string; readonly credentials?: string },
): ParsedConfig {
  const inFile = (findings: readonly Finding[]): readonly Mistake[] =>
    withoutRepeats(findings).map(({ line, column, message }) => ({ file, line, column, message }))
  // A byte order mark is no character of the first line.
  const parsed = parseTree(text.startsWith('\uFEFF') ? text.slice(1) : text)
  if (parsed.kind === 'broken')
    return { kind: 'rejected', mistakes: inFile(parsed.findings), warnings: [], secrets: [], group: null }
  const { tree } = parsed
  const asked = { secrets: findSecrets(tree), group: findGroup(tree) }
  if (tree.kind === 'empty') {
    const message = 'the file holds no configuration; `sources` and `disks` were expected'
    return {
      kind: 'rejected',
      mistakes: inFile([...parsed.findings, { ...tree.at, message }]),
      warnings: [],
      ...asked,
    }
  }
  const shape = written.safeParse(plainValue(tree))
  const { mistakes, warnings } = judge(tree, host)
  const findings = [
    ...parsed.findings,
    ...(shape.success ? [] : shape.error.issues.flatMap((issue) => explainIssue(issue, tree))),
    ...mistakes,
  ]
  if (!shape.success || findings.length > 0)
    return { kind: 'rejected', mistakes: inFile(findings), warnings: inFile(warnings), ...asked }
  return {
    kind: 'ok',
    config: complete(shape.data, { host, credentials }),
    places: findPlaces(tree),
    warnings: inFile(warnings),
    ...asked,
  }
}

function withoutRepeats(findings: readonly Finding[]): readonly Finding[] {
  const sorted = findings.toSorted(byPosition)
  return sorted.filter(({ line, column, message }, i) => {
    const before = sorted[i - 1]
    return before?.line !== line || before.column !== column || before.message !== message
  })
}

function complete(
  from: Written,
  { host, credentials }: { readonly host: string; readonly credentials: string },
): Config {
  const { backup, finish, remind } = from
  return {
    sources: from.sources.map(({ dataset, exclude, as: place }) => ({
      dataset,
      place: place ?? dataset,
      exclude,
    })),
    disks: Object.entries(from.disks).map(([name, disk]) => ({
      name: diskName(name),
      serials: [disk.serial].flat(),
      pool: disk.pool,
      poolGuid: disk.poolGuid,
      overdueMs: disk.overdue === undefined ? remind.overdue : disk.overdue,
      keyFile: disk.keyFile === undefined ? null : pathOfKey(disk.keyFile, credentials),
      luks:
        disk.luks === undefined
          ? null
          : { uuid: disk.luks.uuid, keyFile: pathOfKey(disk.luks.keyFile, credentials) },
    })),
    backup: { ...backup, into: fillInto(backup.into, host) },
    keep: from.keep,
    finish: { scrubEveryMs: finish.scrubEvery, spinDown: finish.spinDown },
    remind: { overdueMs: remind.overdue, takeAwayMs: remind.takeAway, quiet: remind.quiet ?? null },
    notify: from.notify.map((channel) => completeChannel(channel, credentials)),
    metrics: { textfile: from.metrics.textfile ?? null },
    control: { group: from.control.group ?? null },
    log: from.log,
  }
}

function pathOfKey(keyFile: string, credentials: string): string {
  const name = credentialName(keyFile)
  return name === null ? keyFile : `${credentials}/${name}`
}

function completeChannel(channel: WrittenChannel, credentials: string): Channel {
  const on = channel.on ?? null
  switch (channel.type) {
    case 'desktop':
    case 'wall':
      return { type: channel.type, on }
    case 'email':
      return {
        type: 'email',
        on,
        to: [channel.to].flat(),
        from: channel.from,
        smtp: completeSmtp(channel.smtp, credentials),
      }
    case 'ntfy':
      return {
        type: 'ntfy',
        on,
        url: channel.url,
        token: chooseSecret(channel.token, channel.tokenFile, credentials),
        click: channel.click ?? null,
      }
    case 'gotify':
    case 'webhook':
      return {
        type: channel.type,
        on,
        url: channel.url,
        token: chooseSecret(channel.token, channel.tokenFile, credentials),
      }
    case 'healthchecks':
      return { type: 'healthchecks', on, url: channel.url }
    case 'command':
      return { type: 'command', on, run: channel.run }
  }
}

function completeSmtp(
  smtp: Extract<WrittenChannel, { type: 'email' }>['smtp'],
  credentials: string,
): Smtp | null {
  if (smtp === undefined) return null
  const { host, port, user, password, passwordFile } = smtp
  return { host, port, user: user ?? null, password: chooseSecret(password, passwordFile, credentials) }
}

function chooseSecret(
  inline: string | undefined,
  file: string | undefined,
  credentials: string,
): Secret | null {
  if (file !== undefined) return { kind: 'file', path: pathOfKey(file, credentials) }
  return inline === undefined ? null : { kind: 'inline', reveal: () => inline }
}
