// Making a pool on an empty backup disk (zpool-create(8), zpoolprops(7), zfsprops(7)). The arguments are a pure function of
// what was decided in core/newPool.ts.
import type { NewPool } from '../core/newPool.ts'
import { checkDevices, checkKeyFile, checkPool } from './names.ts'

/**
 * Everything after `zpool`. `altroot` keeps the pool out of the cache file, so that no boot imports it; nothing in it is
 * ever mounted. Throws `BadInput` for what could not be a pool, device or key file.
 */
export function createArguments(
  { name, devices, ashift, autotrim, keyFile, overwrite }: NewPool,
  altroot: string,
): readonly string[] {
  checkPool(name)
  checkDevices(devices)
  if (keyFile !== null) checkKeyFile(keyFile)
  const ofPool = [`ashift=${ashift}`, ...(autotrim ? ['autotrim=on'] : [])]
  const encryption =
    keyFile === null ? [] : ['encryption=aes-256-gcm', 'keyformat=hex', `keylocation=file://${keyFile}`]
  const ofRoot = ['compression=lz4', 'atime=off', 'mountpoint=none', 'canmount=off', ...encryption]
  return [
    'create',
    ...(overwrite ? ['-f'] : []),
    ...['-R', altroot],
    ...ofPool.flatMap((property) => ['-o', property]),
    ...ofRoot.flatMap((property) => ['-O', property]),
    name,
    ...(devices.length === 1 ? [] : ['mirror']),
    ...devices,
  ]
}
