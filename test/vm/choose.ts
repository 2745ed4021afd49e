// Which scenarios a person means by the names on the command line: parts of file names, or of titles. Pure.

export type Project = 'vm' | 'long'

export const folders: { readonly [P in Project]: string } = { vm: 'scenarios', long: 'long' }

export interface ScenarioFile {
  readonly project: Project
  /** Below its project's folder. */
  readonly name: string
  readonly text: string
}

/** One run of vitest: all of a project, some files of it, or those with one of these titles. */
export interface Chosen {
  readonly project: Project
  readonly files: readonly string[]
  readonly titles: readonly string[]
}

export type Choice =
  | { readonly kind: 'run'; readonly runs: readonly Chosen[] }
  | { readonly kind: 'unknown'; readonly names: readonly string[] }

/** Each name is looked for in the project asked for, then in the other one; in file names before titles. */
export function chooseScenarios(
  project: Project,
  names: readonly string[],
  files: readonly ScenarioFile[],
): Choice {
  if (names.length === 0) return { kind: 'run', runs: [{ project, files: [], titles: [] }] }
  const order: readonly Project[] = project === 'vm' ? ['vm', 'long'] : ['long', 'vm']
  const places = [
    ...order.map((where) => ({ where, of: 'files' as const })),
    ...order.map((where) => ({ where, of: 'titles' as const })),
  ]
  const found = names.map((name) => ({
    name,
    place: places.find(({ where, of }) =>
      files.some((file) => file.project === where && (of === 'files' ? file.name : file.text).includes(name)),
    ),
  }))
  const unknown = found.filter(({ place }) => place === undefined)
  if (unknown.length > 0) return { kind: 'unknown', names: unknown.map(({ name }) => name) }
  const runs = places.flatMap((place): readonly Chosen[] => {
    const here = found.filter((one) => one.place === place).map(({ name }) => name)
    const run = { project: place.where, files: [], titles: [] }
    return here.length === 0 ? [] : [{ ...run, [place.of]: here }]
  })
  return { kind: 'run', runs }
}
