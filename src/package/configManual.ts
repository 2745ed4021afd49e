// walkaway.yaml(5): every key of the configuration, made from its JSON Schema, so that none can be missing. Pure.
import * as z from 'zod/mini'

interface Node {
  readonly description?: string | undefined
  readonly default?: unknown
  readonly enum?: readonly (string | null)[] | undefined
  readonly const?: string | undefined
  readonly type?: string | readonly string[] | undefined
  readonly minimum?: number | undefined
  readonly maximum?: number | undefined
  readonly examples?: readonly string[] | undefined
  readonly properties?: Readonly<Record<string, Node>> | undefined
  readonly required?: readonly string[] | undefined
  readonly items?: Node | undefined
  readonly additionalProperties?: boolean | Node | undefined
  readonly oneOf?: readonly Node[] | undefined
  readonly anyOf?: readonly Node[] | undefined
}
const node: z.ZodMiniType<Node> = z.lazy(() =>
  z.object({
    description: z.optional(z.string()),
    default: z.optional(z.unknown()),
    enum: z.optional(z.array(z.nullable(z.string()))),
    const: z.optional(z.string()),
    type: z.optional(z.union([z.string(), z.array(z.string())])),
    minimum: z.optional(z.number()),
    maximum: z.optional(z.number()),
    examples: z.optional(z.array(z.string())),
    properties: z.optional(z.record(z.string(), node)),
    required: z.optional(z.array(z.string())),
    items: z.optional(node),
    additionalProperties: z.optional(z.union([z.boolean(), node])),
    oneOf: z.optional(z.array(node)),
    anyOf: z.optional(z.array(node)),
  }),
)

/** The manual page, as roff. `schema` is what `makeConfigSchema` returns. */
export function renderConfigManual(
  schema: object,
  { version, date }: { readonly version: string; readonly date: string },
): string {
  const sections = Object.entries(node.parse(schema).properties ?? {})
  return `${[
    `.TH WALKAWAY.YAML 5 "${date}" "walkaway ${version}" "File Formats"`,
    '.SH NAME',
    'walkaway.yaml \\- the configuration of walkaway',
    '.SH SYNOPSIS',
    '.I /etc/walkaway/config.yaml',
    '.SH DESCRIPTION',
    ...paragraph(introduction),
    '.PP',
    ...paragraph(durations),
    '.SH KEYS',
    ...sections.flatMap(([key, value]) => section(key, value)),
    '.SH FILES',
    '.TP',
    '.I /usr/share/doc/walkaway/examples/config.example.yaml',
    'An example with every key.',
    '.TP',
    '.I /usr/share/walkaway/config.schema.json',
    'The JSON Schema, for editors.',
    '.SH SEE ALSO',
    '.BR walkaway (1)',
  ].join('\n')}\n`
}

const introduction =
  'YAML, read when the service starts and again at a reload (systemctl reload walkaway); a broken new file is reported, and the old one stays in force. Only root may be able to write it. Every mistake is told with its line and column by: walkaway config check. In the names of keys below, [] stands for each item of a list, and NAME for a name that you choose.'
const durations =
  'Names, serial numbers, GUIDs and names of datasets are taken exactly as they are written, quoted or not. Durations are written 15m 12h 30d 8w, or never.'

function section(key: string, value: Node): readonly string[] {
  return [`.SS ${escaped(key)}`, ...paragraph(value.description ?? ''), ...below(key, value)]
}

/** What can be written below a key; nothing for a plain value. */
function below(path: string, value: Node): readonly string[] {
  const { properties, required = [], items, additionalProperties, oneOf } = value
  if (oneOf !== undefined) return oneOf.flatMap((kind) => variant(path, kind))
  if (items !== undefined) return below(`${path}[]`, items)
  if (typeof additionalProperties === 'object') return below(`${path}.NAME`, additionalProperties)
  return Object.entries(properties ?? {}).flatMap(([key, each]) =>
    entry(`${path}.${key}`, each, required.includes(key)),
  )
}

/** One of several kinds of a map, told apart by a key with a fixed value. */
function variant(path: string, kind: Node): readonly string[] {
  const [name, fixed] =
    Object.entries(kind.properties ?? {}).find(([, { const: only }]) => only !== undefined) ?? []
  return [
    `.SS ${escaped(`${path}, ${name}: ${fixed?.const}`)}`,
    ...paragraph(kind.description ?? ''),
    ...below(path, kind),
  ]
}

function entry(path: string, value: Node, isRequired: boolean): readonly string[] {
  const preset = value.default
  const isPlain = typeof preset === 'string' || typeof preset === 'number' || typeof preset === 'boolean'
  const facts = [
    kindOf(value),
    ...(isRequired ? ['required'] : []),
    ...(isPlain ? [`default: ${preset}`] : []),
  ].filter((fact) => fact !== '')
  const sentence = value.description ?? value.items?.description ?? ''
  const told = facts.length === 0 ? sentence : `${sentence} (${facts.join('; ')})`
  return ['.TP', `.B ${escaped(path)}`, ...paragraph(told), ...below(path, value)]
}

function kindOf({ enum: words, const: only, type, minimum, maximum, examples, items }: Node): string {
  if (only !== undefined) return `always ${only}`
  if (words !== undefined) return `one of ${written(words)}`
  if (items !== undefined)
    return items.enum === undefined ? 'a list' : `a list of these: ${written(items.enum)}`
  const types = [type].flat()
  if (types.includes('boolean')) return 'true or false'
  if (types.includes('integer')) return `a number from ${minimum} to ${maximum}`
  return examples === undefined ? '' : `for example ${examples.join(', ')}`
}

/** That nothing can be written, too, goes without saying. */
const written = (words: readonly (string | null)[]): string =>
  words.filter((word) => word !== null).join(', ')

/** A text as lines of roff, none of which is a request. */
const paragraph = (text: string): readonly string[] => (text === '' ? [] : [escaped(text)])

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/, '\\&$&')
