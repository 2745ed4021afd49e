// The JSON Schema of config.yaml for editors, made from the schema that the program itself reads by.

import * as z from 'zod/mini'
import { written } from '../config/schema.ts'

/** Draft 2020-12; an object ready for JSON.stringify. */
export function makeConfigSchema(): object {
  const schema = z.toJSONSchema(written, {
    io: 'input',
    // The program reads every value as the text that was written; an editor wants a number to be one.
    override: ({ jsonSchema }) => {
      const { type, default: preset } = jsonSchema
      if ((type === 'integer' || type === 'boolean') && typeof preset === 'string')
        jsonSchema.default = JSON.parse(preset)
    },
  })
  return { ...schema, title: 'walkaway configuration' }
}
