import { describe, expect, test } from 'vitest'
import type { JournalEntry } from '../../src/events.ts'
import { chooseLogFormat, createLog, type LogOptions } from '../../src/linux/journal.ts'
import { nativeEntry } from '../../src/linux/journalQueue.ts'
import { oneLine } from '../../src/linux/oneLine.ts'
import type { Run } from '../../src/linux/run.ts'

const entry = (message: string, changes: Partial<JournalEntry> = {}): JournalEntry => ({
  priority: 6,
  message,
  messageId: '52beb7b8eda84c01820aff2fdb854b81',
  fields: { WALKAWAY_EVENT: 'dataset-sent' },
  ...changes,
})

/** One journal that both ways lead to, in the order of arrival. A logger as slow as `delaysMs` says, in turn. */
function createJournal(delaysMs: readonly number[] = [], fail: (input: string) => boolean = () => false) {
  const seen: string[] = []
  const left = [...delaysMs]
  const run: Run = async (file, args, { input = '' }) => {
    expect([file, ...args]).toEqual(['logger', '--journald'])
    const delayMs = left.shift()
    if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs))
    if (fail(input)) throw new Error('no journal')
    seen.push(/^MESSAGE=(.*)$/m.exec(input)?.[1] ?? '')
    return { stdout: '', stderr: '', durationMs: 1 }
  }
  const options: LogOptions = { format: 'journal', level: 'debug', run, stdout: (text) => seen.push(text) }
  return { seen, options }
}

describe('journal', () => {
  test('keeps the order of events and lines, whichever way they take', async () => {
    const { seen, options } = createJournal([30, 1, 15])
    const { tell, log, flush } = createLog(options)
    log.debug({ n: 1 }, 'before')
    tell(entry('first'))
    log.debug({}, 'between')
    log.warn({ err: new Error('why') }, 'second')
    tell(entry('third'))
    await flush()
    expect(seen).toEqual(['<7>before (n=1)\n', 'first', '<7>between\n', 'second (err=why)', 'third'])
  })

  test('a logger that fails: the line gets out without its fields, and the next ones do not wait for it', async () => {
    let calls = 0
    const { seen, options } = createJournal([], () => ++calls > 0)
    const { tell, flush } = createLog(options)
    tell(entry('first', { priority: 3 }))
    tell(entry('second'))
    await flush()
    expect(seen).toEqual(['<3>first\n', '<6>second\n'])
    expect(calls).toBe(1)
  })

  test('without a way to run programs: prefixed lines', async () => {
    const { seen, options } = createJournal()
    const { run: _, ...rest } = options
    const { tell, flush } = createLog(rest)
    tell(entry('first', { priority: 5 }))
    await flush()
    expect(seen).toEqual(['<5>first\n'])
  })

  test('more than can wait goes out as lines, in order', async () => {
    const { seen, options } = createJournal([50])
    const { tell, flush } = createLog(options)
    for (let n = 0; n < 2_100; n += 1) tell(entry(String(n)))
    await flush()
    expect(seen).toHaveLength(2_100)
    expect(seen.filter((line) => line.startsWith('<'))).toHaveLength(99)
  })

  test('the level holds for lines, not for events', async () => {
    const { seen, options } = createJournal()
    const made = createLog({ ...options, level: 'error' })
    made.log.warn({}, 'hidden')
    made.tell(entry('told'))
    made.setLevel('warn')
    made.log.warn({}, 'shown')
    await made.flush()
    expect(seen).toEqual(['told', 'shown'])
  })

  test('an entry for logger: one line a field, whatever is in it', () => {
    const hostile = entry('tank/a\nPRIORITY=0\n\u001b[2Jb', {
      fields: { WALKAWAY_DATASET: 'x\ny', 'bad name': 'x', _TRUSTED: 'x', MESSAGE_ID2: '' },
    })
    expect(nativeEntry(hostile)).toBe(
      [
        'MESSAGE=tank/a\\nPRIORITY=0\\n\\x1b[2Jb',
        'PRIORITY=6',
        'SYSLOG_IDENTIFIER=walkaway',
        'OBJECT_SYSTEMD_UNIT=walkaway.service',
        'MESSAGE_ID=52beb7b8eda84c01820aff2fdb854b81',
        'WALKAWAY_DATASET=x\\ny',
        'MESSAGE_ID2=',
        '',
      ].join('\n'),
    )
  })
})

describe('other formats', () => {
  test('plain: lines for a person on stderr', () => {
    const lines: string[] = []
    const { log, tell } = createLog({ format: 'plain', level: 'info', stderr: (text) => lines.push(text) })
    log.debug({}, 'hidden')
    log.info({ disk: 'offsite-1', list: ['a'] }, 'x')
    log.warn({}, 'careful')
    log.error({}, 'broken\n')
    tell(entry('told', { priority: 7 }))
    expect(lines).toEqual([
      'x (disk=offsite-1, list=["a"])\n',
      'warning: careful\n',
      'error: broken\\n\n',
      'told\n',
    ])
  })

  test('json: a JSON object a line on stdout, events whatever the level is', () => {
    const lines: string[] = []
    const { log, tell } = createLog({ format: 'json', level: 'error', stdout: (text) => lines.push(text) })
    log.info({}, 'hidden')
    tell(entry('told\n', { priority: 4 }))
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        level: 'warn',
        time: expect.any(Number),
        WALKAWAY_EVENT: 'dataset-sent',
        MESSAGE_ID: '52beb7b8eda84c01820aff2fdb854b81',
        msg: 'told\n',
      },
    ])
    expect(lines[0]?.split('\n')).toHaveLength(2)
  })

  test('the journal is chosen only when the output goes there', () => {
    expect(chooseLogFormat({})).toBe('plain')
    expect(chooseLogFormat({ JOURNAL_STREAM: '1:2' })).toBe('plain')
  })
})

test('harmless text', () => {
  expect(oneLine('a\tb\r\nc\u0007\u009b\u202e\u2028\ud800é 😀')).toBe(
    'a\\tb\\r\\nc\\x07\\x9b\\u202e\\u2028\\ud800é 😀',
  )
})
