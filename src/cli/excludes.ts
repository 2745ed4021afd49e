// The `exclude` patterns that match no dataset of this machine: most likely spelled wrong, so a warning.

import type { Config } from '../config.ts'
import { findUnmatchedExcludes } from '../core/selection.ts'
import type { Zfs } from '../zfs/zfs.ts'

/** A sentence for each. Throws what `Zfs.observeIfPresent` throws. */
export async function describeUnmatchedExcludes(config: Config, zfs: Zfs): Promise<readonly string[]> {
  const names: string[] = []
  for (const { dataset, exclude } of config.sources)
    if (exclude.length > 0)
      names.push(...((await zfs.observeIfPresent(dataset)) ?? []).map((found) => found.name))
  return findUnmatchedExcludes(config, names).map(
    ({ source, pattern }) => `exclude ${pattern} of the source ${source.dataset} matches no dataset`,
  )
}
