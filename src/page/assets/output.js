// The output of a job: lines that come live, older ones, and the line that the address names.
import { Terminal } from "./ansi.js";
import { all, one, page, single } from "./dom.js";

// The messages of a job have the first 1 MiB of its output, but for a part of a character.
const SENT = (1 << 20) - 4;
// Most lines of a page that follows the end of the output, and of a page whose reader is further up.
const LINES = 5000, READ_LINES = 20_000;
// A line further back than this has a page of its own.
const FAR = 5000;
const { job, org } = one("[data-job]").dataset;
const section = one("[data-output]"), pre = one("[data-terminal]"), olderLines = one("[data-older-lines]");
const terminal = new Terminal(pre);
// The bytes of output that the page shows.
let known = Number(section.dataset.bytes);

/** Adds the part of `bytes` that the page does not show yet; `offset` are the bytes of output before. */
export function output(offset, bytes) {
  if (offset > known || offset + bytes.length <= known) return;
  const text = new TextDecoder().decode(bytes.subarray(known - offset));
  known = offset + bytes.length;
  const atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
  section.hidden = false;
  terminal.write(text);
  if (terminal.keep(atEnd ? LINES : READ_LINES)) olderLines.parentElement.hidden = false;
  // The output follows its end until the reader scrolls up.
  if (atEnd) pre.scrollTop = pre.scrollHeight;
}

/** Fetches the output that no message of the job has. */
const fetchRest = single(200, async () => {
  // The last known byte is asked for too, so that the range is never empty.
  const from = known - 1;
  const answer = await fetch(`/ledger/jobs/${encodeURIComponent(job)}/output?${org}`, { headers: { range: `bytes=${from}-` } });
  if (answer.status === 206) output(from, new Uint8Array(await answer.arrayBuffer()));
  else if (answer.status === 503) fetchRest();
});

/** The job has changed: its output may go on beyond what the messages have. */
export function outputGoesOn() {
  if (known >= SENT) fetchRest();
}

const firstLine = () => Number(pre.firstElementChild?.dataset.line ?? 1);

/** Adds the lines before the first one. */
async function addLines() {
  const url = new URL(olderLines.href), before = firstLine();
  url.searchParams.set("before", before);
  const lines = all("[data-line]", await page(url));
  if (lines.length === 0) throw new Error("no older lines");
  // Another call may have added them meanwhile.
  if (firstLine() !== before) return;
  const fromEnd = pre.scrollHeight - pre.scrollTop;
  pre.prepend(...lines);
  pre.scrollTop = pre.scrollHeight - fromEnd;
  olderLines.parentElement.hidden = firstLine() <= 1;
}

/** Leads to the line of output that the address names, also if the page does not have it yet. */
async function seek() {
  const number = Number(/^#L(\d+)$/.exec(location.hash)?.[1]);
  if (!number || number >= firstLine()) return;
  if (firstLine() - number > FAR) {
    const url = new URL(olderLines.href);
    url.searchParams.set("before", number + 500);
    url.hash = location.hash;
    return location.replace(url);
  }
  while (number < firstLine()) await addLines();
  // The browser looks for the line again.
  location.replace(location.hash);
}
addEventListener("hashchange", () => seek().catch(() => {}));

olderLines.addEventListener("click", event => {
  event.preventDefault();
  addLines().catch(() => {});
});
if (location.hash) seek().catch(() => {});
else pre.scrollTop = pre.scrollHeight;
