// The JSON Schema of config.yaml for editors, made from the schema that the program itself reads by.

import * as z from 'zod'
import { written } from '../config/schema.ts'

/** Draft 2020-12; an object ready for JSON.stringify. */
export function makeConfigSchema(): object {
  return { ...z.toJSONSchema(written, { io: 'input' }), title: 'walkaway configuration' }
}
