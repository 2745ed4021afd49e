// Gets a bare clone to where its scripts can run: Node's version, Debian packages, node_modules. Runs before anything is
// installed, so it is plain JavaScript with nothing but Node. `node test/setup.mjs machine` also brings what the virtual
// machine needs. Says nothing where nothing is missing.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const wantsMachine = process.argv.includes('machine')

// Each Debian package with a file that tells that it is there: much faster than asking dpkg.
const forBuilding = {
  'libudev-dev': ['/usr/include/libudev.h'],
  'g++': ['/usr/bin/g++'],
  make: ['/usr/bin/make'],
  python3: ['/usr/bin/python3'],
  'dpkg-dev': ['/usr/bin/dpkg-architecture'],
  // A terminal for the tests.
  tmux: ['/usr/bin/tmux'],
  // For the manual pages' warnings.
  'groff-base': ['/usr/bin/groff'],
}
const forMachine = {
  'qemu-system-x86': ['/usr/bin/qemu-system-x86_64'],
  'qemu-utils': ['/usr/bin/qemu-img'],
  mmdebstrap: ['/usr/bin/mmdebstrap'],
  'debian-archive-keyring': ['/usr/share/keyrings/debian-archive-keyring.gpg'],
  gpg: ['/usr/bin/gpg', '/usr/bin/gpgv'],
  ...(process.getuid?.() === 0 ? {} : { uidmap: ['/usr/bin/newuidmap'] }),
  e2fsprogs: ['/sbin/mke2fs', '/usr/sbin/mke2fs'],
  'util-linux': ['/usr/bin/setpriv'],
  'ca-certificates': ['/etc/ssl/certs/ca-certificates.crt'],
  // Judges the package.
  lintian: ['/usr/bin/lintian'],
}

function give(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

function run(file, args, env = {}) {
  const { status, error } = spawnSync(file, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
  })
  if (error !== undefined) give(`${file} could not be started: ${error.message}`)
  return status === 0
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    give(`walkaway needs Node 20.19 or newer; this is Node ${process.versions.node}.`)
  }
}

function missingPackages() {
  const wanted = { ...forBuilding, ...(wantsMachine ? forMachine : {}) }
  return Object.entries(wanted)
    .filter(([, files]) => !files.some((file) => existsSync(file)))
    .map(([name]) => name)
}

function installPackages() {
  const missing = missingPackages()
  if (missing.length === 0) return
  const command = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (!existsSync('/usr/bin/apt-get')) {
    give(
      `Missing: ${missing.join(', ')} (names of Debian's packages). This is not Debian: please install them your way.`,
    )
  }
  if (process.getuid?.() !== 0)
    give(`Something must be installed first. Please run this, then try again:\n\n  sudo sh -c '${command}'\n`)
  process.stderr.write(`Installing ${missing.join(', ')} ...\n`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  // Old lists name versions that the mirror no longer has, and new machines have none at all.
  if (!run('apt-get', ['update', '-q'], env))
    process.stderr.write('apt-get update failed; trying with the lists that are there.\n')
  run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing], env)
  const still = missingPackages()
  if (still.length > 0)
    give(`Could not be installed: ${still.join(', ')}. Please look at what apt-get said above.`)
}

const addon = join(root, 'node_modules/udev/build/Release/udev.node')

// Without the first, the addon's install script asks a host that does not exist for a binary.
const npmEnv = { npm_config_build_from_source: 'true', npm_config_fund: 'false', npm_config_audit: 'false' }

// `npm ci` refuses a lock file that lacks a package for another platform, which is how npm writes it where a registry does
// not carry that package; `npm install --no-save` takes the same locked versions and changes no file of ours.
function installLocked() {
  const clean = spawnSync('npm', ['ci'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...npmEnv },
  })
  if (clean.status === 0) return
  if (run('npm', ['install', '--no-save'], npmEnv)) return
  give(`npm could not install the packages; see above. Before that, npm ci had said:\n${clean.stderr}`)
}

function installModules() {
  const stamp = join(root, 'node_modules', '.walkaway-lock')
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  const isFresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === lock
  if (!isFresh) {
    process.stderr.write('Installing node_modules ...\n')
    installLocked()
    writeFileSync(stamp, lock)
  }
  if (existsSync(addon)) return
  // It is an optional dependency: npm leaves it out without a word where it could not be compiled at that moment.
  const isThere = existsSync(join(root, 'node_modules/udev/package.json'))
  if (isThere) run('npm', ['rebuild', 'udev'], npmEnv)
  else installLocked()
  writeFileSync(stamp, lock)
  if (!existsSync(addon)) {
    process.stderr.write(
      'The addon of node-udev could not be built; everything else works, with udevadm in its place.\n',
    )
  }
}

checkNode()
installPackages()
installModules()
