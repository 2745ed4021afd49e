// The guest's end of the control channel: runs commands for the host, many at a time, over one virtio-serial port.
// One JSON object a line. From the host: {id, op: 'exec' | 'stdin' | 'end' | 'kill' | 'hello', ...};
// to the host: {id, out | err} (base64), {id, exit, signal}, {id, failed}, {id, hello}.
import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'

const port = await open('/dev/virtio-ports/machine.agent', 'r+')
const running = new Map()
let writing = Promise.resolve()

function send(message) {
  const line = Buffer.from(`${JSON.stringify(message)}\n`)
  writing = writing.then(async () => {
    for (let sent = 0; sent < line.length; ) sent += (await port.write(line, sent)).bytesWritten
  })
  return writing
}

function exec({ id, argv, env, cwd }) {
  const child = spawn(argv[0], argv.slice(1), {
    cwd: cwd ?? '/root',
    env: { PATH: process.env.PATH, HOME: '/root', LC_ALL: 'C', ...env },
    stdio: 'pipe',
    detached: true,
  })
  running.set(id, child)
  for (const [name, stream] of [
    ['out', child.stdout],
    ['err', child.stderr],
  ]) {
    stream.on('data', (chunk) => {
      stream.pause()
      send({ id, [name]: chunk.toString('base64') }).then(() => stream.resume())
    })
  }
  // A command that does not read its input closes it early: its exit code tells, not EPIPE.
  child.stdin.on('error', () => undefined)
  child.on('error', (error) => {
    running.delete(id)
    send({ id, failed: error.message })
  })
  // Not 'close' alone: a daemon that the command left behind may keep the pipes open for ever. So the end is told when
  // the pipes are closed, or when the command has ended and nothing came for a while.
  let lastHeard = Date.now()
  for (const stream of [child.stdout, child.stderr]) stream.on('data', () => (lastHeard = Date.now()))
  let told = false
  const tell = (code, signal) => {
    if (told) return
    told = true
    running.delete(id)
    send({ id, exit: code, signal })
  }
  child.on('close', tell)
  child.on('exit', (code, signal) => {
    const watch = setInterval(() => {
      if (!told && Date.now() - lastHeard < 1000) return
      clearInterval(watch)
      tell(code, signal)
    }, 250)
    lastHeard = Date.now()
  })
}

function obey(message) {
  const child = running.get(message.id)
  switch (message.op) {
    case 'hello':
      send({ id: message.id, hello: true })
      break
    case 'exec':
      exec(message)
      break
    case 'stdin':
      child?.stdin.write(Buffer.from(message.data, 'base64'))
      break
    case 'end':
      child?.stdin.end()
      break
    case 'kill':
      // The group may be gone already; then there is nothing left to kill.
      try {
        if (child !== undefined) process.kill(-child.pid, message.signal)
      } catch (error) {
        if (error.code !== 'ESRCH') throw error
      }
      break
  }
}

const chunk = Buffer.alloc(64 * 1024)
let pending = Buffer.alloc(0)
for (;;) {
  const { bytesRead } = await port.read(chunk, 0, chunk.length, null)
  if (bytesRead === 0) {
    // Nobody is connected on the host's side: reading returns at once, so look again a little later.
    await new Promise((resolve) => setTimeout(resolve, 100))
    continue
  }
  pending = Buffer.concat([pending, chunk.subarray(0, bytesRead)])
  for (let end = pending.indexOf(10); end !== -1; end = pending.indexOf(10)) {
    const line = pending.subarray(0, end).toString()
    pending = pending.subarray(end + 1)
    try {
      if (line !== '') obey(JSON.parse(line))
    } catch (error) {
      // A line torn by a restart of either side: the host asks again, with a new id.
      console.error(`not understood: ${line.slice(0, 200)}: ${error.message}`)
    }
  }
}
