// The systems that the machine can be: versions of Debian, OpenZFS, systemd and Node. `npm run test:matrix` tries all of
// them; everything else uses the first. WALKAWAY_MACHINE names another one.

export interface Variant {
  readonly name: string
  readonly suite: 'trixie' | 'bookworm'
  /** OpenZFS comes from the backports of the suite. */
  readonly backports: boolean
  /** The version of Node from npm; null: Debian's own. */
  readonly node: string | null
}

export const variants: readonly [Variant, ...Variant[]] = [
  { name: 'debian-13', suite: 'trixie', backports: false, node: null },
  { name: 'debian-13-backports', suite: 'trixie', backports: true, node: '24.14.1' },
  { name: 'debian-12', suite: 'bookworm', backports: false, node: '20.19.6' },
]

/** Throws `Error` for a name that there is not. */
export function chosenVariant(name = process.env['WALKAWAY_MACHINE']): Variant {
  if (name === undefined || name === '') return variants[0]
  const found = variants.find((variant) => variant.name === name)
  if (found !== undefined) return found
  const names = variants.map((variant) => variant.name).join(', ')
  throw new Error(`WALKAWAY_MACHINE: one of ${names} was expected, not ${JSON.stringify(name)}`)
}
