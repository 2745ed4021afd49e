// `npm run demo:record -- TRANSCRIPT`: keeps what `npm run demo` has printed as docs/demo.txt, and draws docs/demo.svg of it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { linesOf, renderSvg } from './demoSvg.ts'

const [file] = process.argv.slice(2)
if (file === undefined) {
  console.error('Usage: npm run demo > demo.log; npm run demo:record -- demo.log')
  process.exit(2)
}
const transcript = readFileSync(file, 'utf8')
if (!transcript.includes('\nThat is all there is to do')) {
  console.error(`${file} is not the whole demonstration`)
  process.exit(1)
}
const docs = join(import.meta.dirname, '../docs')
writeFileSync(join(docs, 'demo.txt'), `${linesOf(transcript).join('\n')}\n`)
writeFileSync(join(docs, 'demo.svg'), renderSvg(transcript))
