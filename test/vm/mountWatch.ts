// What is mounted, and a witness that nothing of a disk is at any time, in the machine's or in the service's own view.
import { expect } from 'vitest'
import type { BackupDisk } from './home.ts'
import type { Machine } from './machine.ts'

/** File systems that are mounted, the service's own view of them not counted: where, of what kind, and what. */
export async function mountsOf(machine: Machine): Promise<readonly string[]> {
  const { stdout } = await machine.run([
    'findmnt',
    '-n',
    '-l',
    '-t',
    'zfs,ext4',
    '-o',
    'TARGET,FSTYPE,SOURCE',
  ])
  return stdout.trim().split('\n').sort()
}

/**
 * Looks at the mounts many times a second, as the machine sees them and as the service in its own name space does,
 * and for devices of volumes on the disk.
 */
export async function watchMounts(
  machine: Machine,
  { pool }: BackupDisk,
): Promise<{ readonly expectNothing: () => Promise<void> }> {
  const watching = machine.start(['bash', '-uc', watchScript, 'bash', pool])
  return {
    expectNothing: async () => {
      await machine.run(['touch', '/run/watched-enough'])
      const { stdout } = await watching.wait({ deadlineMs: 60_000 })
      await machine.run(['rm', '/run/watched-enough'])
      const lines = stdout.trim().split('\n')
      const looks = /^looked (\d+) times, (\d+) of them as the service$/.exec(lines.at(-1) ?? '')
      expect(lines.slice(0, -1)).toEqual([])
      expect(Number(looks?.[1]), stdout).toBeGreaterThan(100)
      expect(Number(looks?.[2]), stdout).toBeGreaterThan(100)
    },
  }
}

const watchScript = `
looks=0 inside=0 pid=0
look() {
  mapfile -t lines < "$1" || return 1
  for line in "\${lines[@]}"; do
    if [[ $line == *" - zfs $pool"* ]]; then echo "$1: $line"; fi
  done
} 2> /dev/null
pool=$1
exec {never}<> <(:)
while [[ ! -e /run/watched-enough ]]; do
  look /proc/self/mountinfo && looks=$((looks + 1))
  if look "/proc/$pid/mountinfo"; then inside=$((inside + 1))
  elif ((looks % 10 == 1)); then pid=$(systemctl show --property MainPID --value walkaway); fi
  if [[ -e /dev/zvol/$pool ]]; then echo "/dev/zvol/$pool"; fi
  read -r -t 0.05 -u "$never"
done
echo "looked $looks times, $inside of them as the service"
`
