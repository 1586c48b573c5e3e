// Follows a tail with the package eventsource, which connects again by itself, and prints the id of each event of a job.
//
//     node follow.js URL TOKEN
const EventSource = require('eventsource')

const [url, token] = process.argv.slice(2)
const tail = new EventSource(url, { headers: { Authorization: `Bearer ${token}` } })
for (const type of ['job.created', 'job.started', 'job.progress', 'job.completed']) {
  tail.addEventListener(type, event => console.log(event.lastEventId))
}
// The connection that is closed may keep the process alive for a while.
tail.addEventListener('closed', () => process.exit())
tail.addEventListener('error', error => {
  // It connects again after a broken connection and after 5xx. After any other answer it stops for good.
  if (tail.readyState === EventSource.CLOSED) {
    console.error(error)
    process.exit(1)
  }
})
