// The version of this program, from package.json: the only place that has it.
import manifest from '../package.json' with { type: 'json' }

export const version: string = manifest.version
