// Rubbish for a control socket, many clients at once: `node floodClient.mjs SOCKET COUNT CLIENTS SEED`. Prints, as JSON, how many
// messages were sent, how many of them were hung up on without a word, and how the honest requests among them fared.
import { connect } from 'node:net'

const [path, ...numbers] = process.argv.slice(2)
const [count, clients, seed] = numbers.map(Number)
const honest = `${JSON.stringify({ version: 1, command: 'status' })}\n`

// Numerical Recipes' generator: the same seed says the same things again.
let state = seed
function random(below) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}
const randomBytes = (size) => Buffer.from(Array.from({ length: size }, () => random(256)))
const rubbish = [
  () => randomBytes(1 + random(600)),
  () => Buffer.concat([randomBytes(1 + random(600)), Buffer.from('\n')]),
  () => honest.slice(0, random(honest.length)),
  () => `${JSON.stringify({ version: random(99) + 2, command: 'status' })}\n`,
  () => `${JSON.stringify({ version: 1, command: 'x'.repeat(random(500)), disk: null })}\n`,
  () => `${JSON.stringify({ version: 1, command: 'run', disk: '../'.repeat(random(50)) })}\n`,
  () => `${'['.repeat(random(2000))}\n`,
]
const hugeLine = Buffer.alloc(1024 * 1024, 'x')

function say(message) {
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect(path, () => socket.end(message))
    socket.setEncoding('utf8')
    socket.on('data', (text) => {
      heard += text
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(heard))
  })
}

const told = { sent: 0, unanswered: 0, honest: 0, answered: 0 }
async function client() {
  while (told.sent < count) {
    const number = told.sent++
    const isHonest = number % 100 === 0
    const message = isHonest ? honest : number % 500 === 1 ? hugeLine : rubbish[random(rubbish.length)]()
    const heard = await say(message)
    if (heard === '') told.unanswered++
    if (isHonest) told.honest++
    if (isHonest && JSON.parse(heard || '{}').ok === true) told.answered++
  }
}
await Promise.all(Array.from({ length: clients }, client))
console.log(JSON.stringify(told))
