// Is the configuration valid, are configuration, secrets and state safe from others, do the channels work?
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { renderMistake } from '../../config.ts'
import { isGone } from '../../linux/sysfs.ts'
import { copyExample, stateDirectory } from '../places.ts'
import { skippedInWords } from '../remembered.ts'
import { plural } from '../words.ts'
import { type Check, ok, problem, type Surroundings, type Verdict, warning } from './surroundings.ts'

/** A file with hundreds of mistakes has one cause. */
const mostMistakes = 5

export const configurationChecks: readonly Check[] = [
  {
    name: 'configuration',
    async look({ configFile, loadConfig, uid }, { unconfigured }) {
      const loaded = await loadConfig()
      const warnings = loaded.warnings.map((one) => warning(renderMistake(one), null))
      if (loaded.kind === 'rejected') {
        const mend = unconfigured
          ? `${copyExample(configFile)}; then change its sources`
          : 'walkaway config check'
        const shown = loaded.mistakes.slice(0, mostMistakes).map((one) => problem(renderMistake(one), mend))
        const rest = loaded.mistakes.length - shown.length
        return [
          ...shown,
          ...(rest > 0 ? [problem(`and ${plural(rest, 'more mistake')}`, 'walkaway config check')] : []),
          ...warnings,
        ]
      }
      const { sources, disks } = loaded.config
      return [
        ...(disks.length === 0
          ? [warning('no backup disk is configured', 'plug one in and run: walkaway init')]
          : []),
        ...warnings,
        ok(`${configFile}: ${plural(sources.length, 'source')}, ${plural(disks.length, 'disk')}`),
        ...(uid === 0 ? [] : [warning('not everything can be seen by this user', 'sudo walkaway doctor')]),
      ]
    },
  },
  { name: 'state', look: lookAtState },
  {
    name: 'notifications',
    async look({ tryChannels, askStatus }, { config }) {
      if (config === null) return [warning('not looked at, because the configuration cannot be used', null)]
      if (config.notify.length === 0)
        return [
          warning(
            'nobody is told when a disk can be taken',
            'put a channel below notify: in the configuration',
          ),
        ]
      const trials = await tryChannels(config)
      return [
        ...trials.map(({ channel, failure }) =>
          failure === null
            ? ok(`a test message was taken: ${channel}`)
            : problem(
                `${channel}: ${failure}`,
                'walkaway config check; then again: walkaway doctor --notify',
              ),
        ),
        ...(trials.length > 0
          ? []
          : [
              ok(
                `${plural(config.notify.length, 'channel')}; to send a test message: walkaway doctor --notify`,
              ),
            ]),
        ...(await undelivered(askStatus)),
      ]
    },
  },
]

/** What the daemon could not deliver; nothing without a daemon, which another check tells. */
async function undelivered(askStatus: Surroundings['askStatus']): Promise<readonly Verdict[]> {
  const reply = await askStatus().catch(() => null)
  if (reply === null || 'kind' in reply || !reply.ok) return []
  return reply.status.undelivered.map(({ channel, waiting, givenUp, reason }) =>
    problem(
      `${channel}: ${plural(waiting, 'message')} not delivered yet, ${givenUp} given up: ${reason}`,
      'walkaway doctor --notify',
    ),
  )
}

async function lookAtState({ root, uid, history }: Surroundings): Promise<readonly Verdict[]> {
  const folder = `${root}${stateDirectory}`
  const names = await readdir(folder).catch((error: unknown) => {
    if (isGone(error)) return null
    if (uid !== 0) return 'hidden'
    throw error
  })
  if (names === null) return [ok(`${stateDirectory} is made when the service starts`)]
  if (names === 'hidden') return [ok(`${stateDirectory} is closed to this user`)]
  const verdicts: Verdict[] = []
  for (const path of [folder, ...names.map((name) => join(folder, name))]) {
    const stats = await lstat(path).catch(() => null)
    if (stats === null) continue
    const shown = path.slice(root.length)
    if (stats.uid !== 0 && uid === 0)
      verdicts.push(problem(`${shown} does not belong to root`, `chown -R root: ${stateDirectory}`))
    // A folder that nobody may enter covers what is in it.
    if ((stats.mode & (path === folder ? 0o027 : 0o022)) !== 0)
      verdicts.push(problem(`others can change or look into ${shown}`, `chmod go-rwx ${shown}`))
  }
  const { visits, brokenLines } = await history.read()
  if (brokenLines > 0) verdicts.push(warning(skippedInWords(brokenLines), null))
  return verdicts.length === 0
    ? [ok(`${stateDirectory}, ${plural(visits.length, 'visit')} remembered`)]
    : verdicts
}
