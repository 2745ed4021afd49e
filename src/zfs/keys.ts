// Keys of encrypted datasets. ZFS reads them from their files itself: no key is ever in this process or in an argument.
// They are unloaded when their pool is exported (pool.ts).
import type { DatasetName } from '../core/model.ts'
import { KeyRefused } from '../errors.ts'
import { CHANGE_MS, throwNamed, type ZfsCommand } from './command.ts'
import { type FailureKind, failureKind } from './failure.ts'
import { checkDatasets, checkKeyFile } from './names.ts'

export interface Keys {
  /**
   * Loads the key of this encryption root from this file, whatever its format and wherever the dataset says that its key
   * is. Fine if it is loaded already. Throws `KeyRefused` with a hint for the person.
   */
  loadKey(root: DatasetName, keyFile: string): Promise<void>
}

export const createKeys = (zfs: ZfsCommand): Keys => ({
  async loadKey(root, keyFile) {
    checkDatasets(root)
    checkKeyFile(keyFile)
    // `-L` takes the path as it is: there is no escaping in it (get_key_material_file(), 2.1 to 2.4).
    await zfs(['load-key', '-L', `file://${keyFile}`, root], CHANGE_MS).catch((error: unknown) => {
      const kind = failureKind(error)
      if (kind === 'exists') return
      const explain = kind === null ? undefined : refusals[kind]
      if (explain === undefined) return throwNamed(error)
      const { why, hint } = explain(root, keyFile)
      throw new KeyRefused(why, { cause: error, hint })
    })
  },
})

type Explain = (root: DatasetName, keyFile: string) => { readonly why: string; readonly hint: string }

const refusals: { readonly [K in FailureKind]?: Explain } = {
  'wrong-key': (root, keyFile) => ({
    why: `the key in ${keyFile} is not the key of ${root}`,
    hint: 'put the right key there, or name the right file',
  }),
  'malformed-key': (root, keyFile) => ({
    why: `${keyFile} holds no key of the kind that ${root} has`,
    hint: `see: zfs get keyformat ${root}; raw: 32 bytes, hex: 64 digits, passphrase: 8 to 512 characters in one line`,
  }),
  'no-key-file': (_, keyFile) => ({
    why: `the key file ${keyFile} is not there or cannot be read`,
    hint: 'put it there, or name the right file',
  }),
}
