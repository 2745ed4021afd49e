// Whether KVM truly works here. /dev/kvm may exist and still boot nothing, so it is tried: a kernel without a root disk
// gets as far as its panic within seconds, or it does not.
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, say } from './cache.ts'
import type { Image } from './image.ts'
import type { Accelerator } from './qemu.ts'

const deadlineMs = 20_000

/** The answer is kept until this computer is booted again. */
export async function accelerator(image: Image): Promise<Accelerator> {
  const remembered = join(cacheFolder(), 'accelerator')
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  if (existsSync(remembered)) {
    const [found, when] = readFileSync(remembered, 'utf8').trim().split(' ')
    if (when === boot && (found === 'kvm' || found === 'tcg')) return found
  }
  const found = mayOpenKvm() && (await bootsWithKvm(image)) ? 'kvm' : 'tcg'
  if (found === 'tcg') say('No hardware virtualization here: software emulation it is.')
  writeFileSync(remembered, `${found} ${boot}\n`)
  return found
}

function mayOpenKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    // Absent or not ours: the same answer.
    return false
  }
}

async function bootsWithKvm({ kernel }: Image): Promise<boolean> {
  const append = 'console=ttyS0 panic=-1'
  const child = spawn('setpriv', [
    ...[
      '--pdeathsig',
      'SIGKILL',
      '--',
      'qemu-system-x86_64',
      '-nodefaults',
      '-display',
      'none',
      '-machine',
      'q35',
    ],
    ...[
      '-accel',
      'kvm',
      '-cpu',
      'host',
      '-smp',
      '2',
      '-m',
      '512',
      '-no-reboot',
      '-serial',
      'stdio',
      '-kernel',
      kernel,
      '-append',
      append,
    ],
  ])
  let said = ''
  return new Promise((resolve) => {
    const done = (answer: boolean) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      resolve(answer)
    }
    const timer = setTimeout(() => done(false), deadlineMs)
    child.once('error', () => done(false))
    child.once('close', () => done(false))
    child.stdout.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000)
      if (said.includes('Unable to mount root fs')) done(true)
    })
  })
}
