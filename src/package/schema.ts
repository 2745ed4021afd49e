// The JSON Schema of config.yaml for editors, made from the schema that the program itself reads by.

import * as z from 'zod/mini'
import { written } from '../config/schema.ts'

type Schema = z.core.JSONSchema.BaseSchema

/** Draft 2020-12; an object ready for JSON.stringify. */
export function makeConfigSchema(): object {
  const schema = z.toJSONSchema(written, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      // Zod leaves out examples of what becomes something else when it is read. Here they are what is written.
      const examples = z.globalRegistry.get(zodSchema)?.['examples']
      if (Array.isArray(examples)) jsonSchema.examples = examples
      // The program reads every value as the text that was written; an editor wants a number to be one.
      const { type, default: preset } = jsonSchema
      if ((type === 'integer' || type === 'boolean') && typeof preset === 'string')
        jsonSchema.default = JSON.parse(preset)
    },
  })
  allowEmpty(schema)
  return { ...schema, title: 'walkaway configuration' }
}

/** A key that may be missing may be without a value, too: all that stood below `keep:` was made a comment, for example. */
function allowEmpty(schema: Schema): void {
  const { properties = {}, required = [], items, additionalProperties, anyOf = [], oneOf = [] } = schema
  for (const [key, value] of Object.entries(properties))
    if (typeof value === 'object' && !required.includes(key)) orNull(value)
  for (const part of [
    ...Object.values(properties),
    ...[items].flat(),
    additionalProperties,
    ...anyOf,
    ...oneOf,
  ])
    if (typeof part === 'object') allowEmpty(part)
}

function orNull(schema: Schema): void {
  const types = [schema.type ?? []].flat()
  if (!types.includes('null')) schema.type = [...types, 'null']
  if (schema.enum !== undefined && !schema.enum.includes(null)) schema.enum = [...schema.enum, null]
}
