// The rules of the house as a function from sources to violations. Reads import lines, which the formatter keeps in one
// shape; needs no compiler.

/** Path below `src/` to contents. */
export type Sources = ReadonlyMap<string, string>

/** What each part may import of the others; a file in no folder is a part of its own. Its own folder goes without saying. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  core: [],
  'errors.ts': [],
  'version.ts': [],
  'eventKinds.ts': [],
  'events.ts': ['core'],
  'sentences.ts': ['core', 'eventKinds.ts', 'events.ts'],
  'statusLine.ts': ['core', 'runner.ts', 'sentences.ts'],
  'config.ts': ['core', 'errors.ts', 'config'],
  config: ['core', 'errors.ts', 'events.ts', 'config.ts'],
  linux: ['core', 'errors.ts', 'events.ts'],
  zfs: ['core', 'errors.ts', 'linux'],
  control: ['core', 'errors.ts'],
  notify: ['core', 'errors.ts', 'events.ts', 'sentences.ts', 'config.ts', 'linux'],
  'plan.ts': ['core', 'errors.ts', 'zfs', 'backup.ts'],
  'hold.ts': ['core', 'errors.ts', 'plan.ts', 'backup.ts'],
  'move.ts': ['core', 'errors.ts', 'zfs', 'plan.ts', 'backup.ts'],
  'space.ts': ['core', 'errors.ts', 'plan.ts', 'prune.ts', 'backup.ts'],
  'undone.ts': ['core', 'errors.ts', 'zfs', 'backup.ts'],
  'lookAgain.ts': [
    'core',
    'errors.ts',
    'zfs',
    'plan.ts',
    'hold.ts',
    'snapshotSet.ts',
    'undone.ts',
    'backup.ts',
  ],
  'stall.ts': ['core', 'errors.ts', 'backup.ts'],
  'send.ts': [
    'core',
    'errors.ts',
    'zfs',
    'plan.ts',
    'hold.ts',
    'move.ts',
    'lookAgain.ts',
    'space.ts',
    'stall.ts',
    'backup.ts',
  ],
  'prune.ts': ['core', 'errors.ts', 'zfs', 'backup.ts'],
  'snapshotSet.ts': ['core', 'errors.ts', 'config.ts', 'zfs', 'backup.ts'],
  'scrub.ts': ['core', 'errors.ts', 'zfs', 'backup.ts'],
  'explain.ts': ['core', 'errors.ts', 'version.ts', 'zfs', 'plan.ts', 'backup.ts'],
  'verify.ts': ['core', 'errors.ts', 'hold.ts', 'plan.ts', 'send.ts', 'snapshotSet.ts', 'backup.ts'],
  'preview.ts': ['core', 'plan.ts', 'snapshotSet.ts', 'space.ts', 'backup.ts'],
  'restore.ts': ['core', 'errors.ts', 'container.ts', 'linux', 'zfs'],
  'newDisk.ts': ['core', 'errors.ts', 'linux', 'zfs'],
  'backup.ts': [
    'core',
    'errors.ts',
    'events.ts',
    'config.ts',
    'zfs',
    'linux',
    'snapshotSet.ts',
    'undone.ts',
    'plan.ts',
    'hold.ts',
    'move.ts',
    'lookAgain.ts',
    'space.ts',
    'send.ts',
    'verify.ts',
    'prune.ts',
    'explain.ts',
  ],
  'container.ts': ['core', 'errors.ts', 'linux'],
  'unlock.ts': ['core', 'errors.ts', 'events.ts', 'config.ts', 'zfs'],
  'revive.ts': ['core', 'errors.ts', 'zfs'],
  'tally.ts': ['core', 'events.ts'],
  'endVisit.ts': [],
  'release.ts': [
    'core',
    'errors.ts',
    'config.ts',
    'zfs',
    'backup.ts',
    'container.ts',
    'endVisit.ts',
    'unlock.ts',
  ],
  'visit.ts': [
    'core',
    'errors.ts',
    'events.ts',
    'endVisit.ts',
    'config.ts',
    'backup.ts',
    'container.ts',
    'release.ts',
    'revive.ts',
    'scrub.ts',
    'tally.ts',
    'turns.ts',
    'unlock.ts',
  ],
  'diskAnswer.ts': ['core', 'control', 'linux'],
  'visitLog.ts': ['core', 'linux'],
  'runner.ts': [
    'core',
    'errors.ts',
    'events.ts',
    'config.ts',
    'control',
    'zfs',
    'linux',
    'endVisit.ts',
    'release.ts',
    'visit.ts',
    'visitLog.ts',
    'turns.ts',
    'diskAnswer.ts',
  ],
  'turns.ts': ['core'],
  'remind.ts': ['core', 'errors.ts', 'events.ts', 'linux'],
  'metrics.ts': ['core', 'control'],
  'metricsFile.ts': ['errors.ts', 'linux', 'metrics.ts'],
  'daemon.ts': [
    'core',
    'errors.ts',
    'events.ts',
    'config.ts',
    'control',
    'notify',
    'linux',
    'runner.ts',
    'remind.ts',
    'statusLine.ts',
    'metricsFile.ts',
    'looks.ts',
    'turns.ts',
  ],
  'looks.ts': [],
  cli: [
    'core',
    'errors.ts',
    'events.ts',
    'sentences.ts',
    'version.ts',
    'config.ts',
    'config',
    'control',
    'notify',
    'linux',
    'zfs',
    'daemon.ts',
    'newDisk.ts',
    'preview.ts',
    'restore.ts',
    'metrics.ts',
    'metricsFile.ts',
  ],
  'main.ts': ['errors.ts', 'version.ts', 'linux', 'cli'],
  package: ['errors.ts', 'eventKinds.ts', 'config', 'cli'],
}
/** Besides linux/run.ts: what lives as long as a visit or the service does is no command with a deadline. */
const mayStartPrograms = [
  'linux/run.ts',
  'linux/systemd.ts',
  'linux/udevadm.ts',
  'package/date.ts',
  'package/deb.ts',
]
const mayExit = ['main.ts']
const longestFile = 400
const vagueFolders = ['utils', 'util', 'helpers', 'helper', 'types', 'services', 'common', 'misc']

/** Each broken rule as `path: what is wrong`. */
export function findViolations(sources: Sources): readonly string[] {
  const perFile = [...sources].flatMap(([path, text]) =>
    violationsOf(path, text).map((what) => `${path}: ${what}`),
  )
  return [...perFile, ...cyclesOf(sources)]
}

function violationsOf(path: string, text: string): readonly string[] {
  const code = withoutComments(text)
  const part = partOf(path)
  const arrow = arrows[part]
  const found: string[] = []
  if (arrow === undefined) found.push(`${part} is new: give it its arrows in test/architecture/rules.ts`)

  for (const specifier of importsOf(code)) {
    const target = resolve(path, specifier)
    if (target === null) {
      if (part === 'core') found.push(`core is pure and imports nothing but itself, not ${specifier}`)
      if (/^(execa|node:child_process)$/.test(specifier) && !mayStartPrograms.includes(path)) {
        found.push(`imports ${specifier}: programs are started by linux/run.ts`)
      }
    } else if (target.startsWith('src/')) {
      const other = partOf(target.slice('src/'.length))
      if (other !== part && arrow !== undefined && !arrow.includes(other)) {
        found.push(`may not import ${target.slice('src/'.length)}`)
      }
    } else if (!(target === 'package.json' && path === 'version.ts')) {
      found.push(`imports ${target}, which is not part of the program`)
    }
  }

  if (/\bprocess\.exit\b(?!Code)/.test(code) && !mayExit.includes(path)) found.push('only main.ts may exit')
  if (/\bshell:\s*(?!false\b)/.test(code)) found.push('no shell, ever')
  if (
    part === 'core' &&
    /\b(?:Date\.now\(|new Date\(\)|performance\.now\(|Math\.random\(|process\.|console\.)/.test(code)
  ) {
    found.push('core is pure: time and chance are parameters')
  }
  if (/\bexport default\b/.test(code)) found.push('exports have names')
  if (text.split('\n').length > longestFile) found.push(`longer than ${longestFile} lines`)
  if (/(^|\/)index\.ts$/.test(path)) found.push('no barrel files')
  if (!/^\/\/ \S/.test(text)) found.push('begins with a line that says what it owns')
  for (const folder of path.split('/').slice(0, -1)) {
    if (vagueFolders.includes(folder)) found.push(`${folder}/ says nothing about what is in it`)
  }
  return found
}

const partOf = (path: string): string => path.split('/')[0] ?? path

/** Specifiers of every static, type-only, dynamic and re-exporting import. */
function importsOf(code: string): readonly string[] {
  const clauses = /^\s*(?:import|export)\b[\w\s,{}*$]*?\bfrom\s*['"]([^'"\n]+)['"]/gm
  const effects = /^\s*import\s*['"]([^'"\n]+)['"]/gm
  const calls = /\bimport\(\s*['"]([^'"\n]+)['"]/g
  return [clauses, effects, calls].flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => match[1] ?? ''),
  )
}

/** Path from the repository's root; null for packages and Node's own modules. */
function resolve(from: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null
  return new URL(specifier, `file:///src/${from}`).pathname.slice(1)
}

const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')

/** Cycles of value imports; those of types alone leave nothing behind when the program runs. */
function cyclesOf(sources: Sources): readonly string[] {
  const valueImports = (path: string): readonly string[] => {
    const code = withoutComments(sources.get(path) ?? '').replaceAll(
      /^\s*(?:import|export) type\b[\w\s,{}*$]*?\bfrom\s*['"][^'"\n]+['"]/gm,
      '',
    )
    return importsOf(code).flatMap((specifier) => {
      const target = resolve(path, specifier)?.slice('src/'.length)
      return target !== undefined && sources.has(target) ? [target] : []
    })
  }
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at !== -1) {
      found.push(`cycle: ${[...trail.slice(at), path].join(' -> ')}`)
      return
    }
    if (done.has(path)) return
    for (const target of valueImports(path)) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of sources.keys()) visit(path, [])
  return found
}
