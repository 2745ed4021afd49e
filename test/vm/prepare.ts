// `npm run test:vm` starts here: makes what is missing (image, layer `ready`, layer `installed` with the package from
// build/), so that the scenarios only have to load it.
import { makeLayer } from './layers.ts'
import { builtPackage } from './machine.ts'

await makeLayer('ready')
await makeLayer('installed', builtPackage())
