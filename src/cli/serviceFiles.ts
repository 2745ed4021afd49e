// What `walkaway install-service` puts where: the same as the Debian package, in /usr/local, which is the administrator's. Pure.

import { completionScripts } from './completionScripts.ts'

/** What came with the program, by file name. */
export const partNames = [
  'walkaway.service',
  '90-walkaway.rules',
  'walkaway.catalog',
  'walkaway.1',
  'walkaway.yaml.5',
  'config.schema.json',
  'config.example.yaml',
] as const
export type ServiceParts = Readonly<Record<(typeof partNames)[number], string>>

export interface ServiceFile {
  /** Absolute, as installed. */
  readonly path: string
  readonly contents: string
}

export const exampleConfig = '/usr/local/share/doc/walkaway/examples/config.example.yaml'
export const packagedUnit = '/usr/lib/systemd/system/walkaway.service'

/** Every file. `program` is walkaway as an argument list of absolute paths. */
export function planServiceFiles(parts: ServiceParts, program: readonly string[]): readonly ServiceFile[] {
  const schema = '/usr/local/share/walkaway/config.schema.json'
  return [
    {
      path: '/usr/local/lib/systemd/system/walkaway.service',
      contents: unitFor(parts['walkaway.service'], program),
    },
    { path: '/usr/local/lib/udev/rules.d/90-walkaway.rules', contents: parts['90-walkaway.rules'] },
    { path: '/usr/local/lib/systemd/catalog/walkaway.catalog', contents: parts['walkaway.catalog'] },
    { path: '/usr/local/share/man/man1/walkaway.1', contents: parts['walkaway.1'] },
    { path: '/usr/local/share/man/man5/walkaway.yaml.5', contents: parts['walkaway.yaml.5'] },
    { path: schema, contents: parts['config.schema.json'] },
    {
      path: exampleConfig,
      contents: parts['config.example.yaml'].replaceAll('/usr/share/walkaway/config.schema.json', schema),
    },
    { path: '/usr/local/share/bash-completion/completions/walkaway', contents: completionScripts.bash },
    { path: '/usr/local/share/zsh/site-functions/_walkaway', contents: completionScripts.zsh },
    { path: '/usr/local/share/fish/vendor_completions.d/walkaway.fish', contents: completionScripts.fish },
  ]
}

function unitFor(unit: string, program: readonly string[]): string {
  const start = `ExecStart=${program.map(quoted).join(' ')} daemon`
  const changed = unit.replace('ExecStart=/usr/bin/walkaway daemon', () => start)
  if (!changed.includes(start)) throw new Error('the unit does not start /usr/bin/walkaway')
  return changed
}

/** As systemd.service(5) wants an argument that holds blanks, quotes, or what it would look up. */
function quoted(argument: string): string {
  const text = argument.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replaceAll(/[\\"]/g, '\\$&')}"`
}

/** Debian 12's; older ones were not tried. */
const oldestSystemd = 252

/** Why the service cannot run under this machine's systemd; null: it can. `said` is what `systemctl --version` says. */
export function whyNotThisSystemd(said: string): string | null {
  const [name, version = ''] = said.split(/\s+/)
  if (name === 'systemd' && Number.parseInt(version, 10) >= oldestSystemd) return null
  const found = name === 'systemd' ? `systemd ${version}` : 'something else'
  return `systemd ${oldestSystemd} or newer was expected; this machine has ${found}`
}

/** Why this program cannot be a service of the machine; null: it can. `others` are the paths in it that others can write to. */
export function whyNotAService(program: readonly string[], others: readonly string[]): string | null {
  const athome = program.find((path) => /^\/(home|root|run|tmp|var\/tmp)\//.test(path))
  if (athome !== undefined)
    return `${athome} is a person's own; a service wants Node and walkaway where the whole machine has them, such as /usr or /opt`
  const [open] = others
  return open === undefined
    ? null
    : `${open} can be changed by others than root, and the service runs as root`
}
