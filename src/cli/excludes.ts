// The `exclude` patterns that match no dataset of this machine: most likely spelled wrong, so a warning.

import type { Config } from '../config.ts'
import { findUnmatchedExcludes } from '../core/selection.ts'
import type { Zfs } from '../zfs/zfs.ts'

type Unmatched = ReturnType<typeof findUnmatchedExcludes>[number]

/** Throws what `Zfs.observeIfPresent` throws. */
export async function listUnmatchedExcludes(config: Config, zfs: Zfs): Promise<readonly Unmatched[]> {
  const names: string[] = []
  for (const { dataset, exclude } of config.sources)
    if (exclude.length > 0)
      names.push(...((await zfs.observeIfPresent(dataset)) ?? []).map((found) => found.name))
  return findUnmatchedExcludes(config, names)
}

export const describeUnmatched = ({ source, pattern }: Unmatched): string =>
  `exclude ${pattern} of the source ${source.dataset} matches no dataset; the name of one below it was expected`
