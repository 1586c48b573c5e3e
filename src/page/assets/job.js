// One job, live: the read model changes in place, output is added at its end, and the timeline grows at its top.
import { Terminal } from "./ansi.js";
import { append } from "./append.js";
import { all, cancellation, clone, counts, field, one, state, times } from "./dom.js";
import { follow } from "./live.js";

const article = one("[data-job]");
const path = `/ledger/jobs/${encodeURIComponent(article.dataset.job)}`;
const org = article.dataset.org;
const timeline = one("[data-timeline]");
const pre = one("[data-terminal]");
const terminal = new Terminal(pre);
const filter = one("[data-filter]");
const older = one("[data-older]"), olderLines = one("[data-older-lines]");
// The messages of a job have the first 1 MiB of its output, but for a part of a character.
const SENT = (1 << 20) - 4;
// Entries of the timeline, lines of output that a page which follows their end keeps, and those of a page whose reader scrolled up.
const ENTRIES = 1000, LINES = 5000, READ_LINES = 20_000;
// A line further back than this has a page of its own.
const FAR = 5000;
let revision = Number(article.dataset.revision);
// The bytes of output that the page shows.
let known = Number(one("[data-output]").dataset.bytes);
let job = {};

/** Runs `work` once at a time. Calls meanwhile are one call afterwards, `pause` milliseconds later. */
function single(pause, work) {
  let runs = false, again = false;
  return async () => {
    again = true;
    if (runs) return;
    runs = true;
    while (again) {
      again = false;
      await work().catch(() => {});
      await new Promise(resolve => setTimeout(resolve, pause));
    }
    runs = false;
  };
}

function items(changes) {
  const section = one("[data-items]");
  const body = one("tbody", section);
  section.hidden = section.hidden && changes.length === 0;
  for (const item of changes) {
    let row = body.querySelector(`tr[data-item="${CSS.escape(item.item)}"]`);
    if (!row) {
      row = clone("item-row");
      row.dataset.item = item.item;
      body.append(row);
    }
    state(row, item.status);
    field(row, "item", item.item);
    field(row, "message", item.message);
    if (item.detail) field(row, "detail", JSON.stringify(item.detail));
    field(row, "at", item.at);
  }
}

function output(offset, bytes) {
  if (offset > known || offset + bytes.length <= known) return;
  const text = new TextDecoder().decode(bytes.subarray(known - offset));
  known = offset + bytes.length;
  const atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
  one("[data-output]").hidden = false;
  terminal.write(text);
  if (terminal.keep(atEnd ? LINES : READ_LINES)) olderLines.parentElement.hidden = false;
  // The output follows its end until the reader scrolls up.
  if (atEnd) pre.scrollTop = pre.scrollHeight;
}

/** Fetches the output that no message has. */
const fetchOutput = single(200, async () => {
  const answer = await fetch(`${path}/output?${org}`, { headers: { range: `bytes=${known}-` } });
  if (answer.status === 206) output(known, new Uint8Array(await answer.arrayBuffer()));
  else if (answer.status === 503) fetchOutput();
});

/** Shows the newest notes. */
function remarks(notes) {
  const section = one("[data-notes]");
  section.hidden = notes.length === 0;
  one("ul", section).replaceChildren(...notes.map(note => {
    const remark = clone("remark");
    for (const name of ["text", "by", "at"]) field(remark, name, note[name]);
    return remark;
  }));
}

/** Shows a field that most jobs lack. */
function optional(name, value) {
  if (value === undefined || value === null) return false;
  field(article, name, value).closest("[data-optional]").hidden = !value;
  return Boolean(value);
}

/** Shows how long the job has run. */
function took() {
  const [started, ended] = ["started_at", "ended_at"].map(name => Date.parse(one(`time[data-field="${name}"]`, article).dateTime));
  if (!started) return;
  const seconds = Math.max(0, Math.floor(((ended || Date.now()) - started) / 1000));
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  optional("took", hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`);
}

function show(changes) {
  Object.assign(job, changes);
  if ("status" in changes) {
    state(article, job.status);
    all("[data-cancel]").forEach(form => { form.hidden = Boolean(job.ended_at); });
  }
  for (const name of ["message", "current_step", "started_at", "ended_at"]) {
    if (name in changes) field(article, name, job[name]);
  }
  optional("worker", job.worker && (job.worker_lost ? `${job.worker}, lost` : job.worker));
  optional("lease", job.lease_sec && !job.ended_at ? `${job.lease_sec} s after each report` : "");
  if (optional("retried_as", job.retried_as)) one('[data-field="retried_as"]').href = `/jobs/${encodeURIComponent(job.retried_as)}?${org}`;
  field(article, "percent", job.progress);
  field(article, "progress", `${job.progress} %`);
  field(article, "counts", counts(job));
  const cancelled = field(article, "cancelled", cancellation(job.cancelled));
  cancelled.hidden = !job.cancelled;
  if (changes.hook?.exit_code !== undefined && changes.hook.exit_code !== null) {
    one("[data-output]").hidden = false;
    field(article, "exit", `exit code ${changes.hook.exit_code} after ${changes.hook.execution_time_sec} s`);
  }
  draw();
  if (changes.items) items(changes.items);
  if (changes.notes) remarks(changes.notes);
  if (changes.output) output(changes.output.offset, new TextEncoder().encode(changes.output.text));
  if (known >= SENT) fetchOutput();
}

/** Adds the newest progress to the drawing, whose width is the time since the first event. */
function draw() {
  const chart = one(".chart"), line = one("polyline", chart);
  const from = Number(chart.dataset.from), to = Number(chart.dataset.to), now = Date.parse(job.last_event_at);
  if (!job.progress || !(now > to)) return;
  const points = (line.getAttribute("points") || "0,60").split(" ").map(point => point.split(",").map(Number));
  const moved = points.map(([x, y]) => [x * (to - from) / (now - from), y]);
  moved.push([600, 60 - job.progress * 0.6]);
  // Of points at one place the last one stays.
  const drawn = moved.filter(([x], n) => n === 0 || n === moved.length - 1 || moved[n + 1][0] - x > 0.5);
  line.setAttribute("points", drawn.map(([x, y]) => `${x.toFixed(2)},${y}`).join(" "));
  chart.dataset.to = now;
  chart.toggleAttribute("hidden", false);
  chart.setAttribute("aria-label", `Progress over ${Math.round((now - from) / 1000)} s: ${job.progress} %`);
}

/** Takes the entries after the newest one from the page of the timeline. */
const grow = single(1000, async () => {
  try {
    await entries();
  } finally {
    if (job.position > revision) grow();
  }
});

async function entries() {
  const found = await page(`${filter.action}?${new URLSearchParams(new FormData(filter))}&after=${revision}`);
  const { newest, events } = one("[data-timeline]", found).dataset;
  const more = all("[data-timeline] > li", found);
  revision = Number(newest);
  // More events came than a page has.
  if (one("[data-older]", found)) timelineOf(found);
  else timeline.prepend(...more);
  more.forEach(entry => all("time", entry).forEach(times.show));
  for (const entry of [...timeline.children].slice(ENTRIES)) {
    entry.remove();
    older.parentElement.hidden = false;
    older.search = `?${new URLSearchParams([...new FormData(filter), ["as_of", timeline.lastElementChild.dataset.position - 1]])}`;
  }
  travel(Number(events), more[0]);
}

/** Moves the place among the job's events to the newest one; `entry` shows it, unless the filter hides it. */
function travel(events, entry) {
  const words = entry?.dataset.position === String(revision) ? `, ${entry.dataset.type} ${one(".by", entry).textContent}` : "";
  one("[data-place]").textContent = `event ${events} of ${events}${words}`;
  const input = one("[data-slider] input");
  if (input) {
    input.max = input.value = events;
    input.setAttribute("aria-valuetext", one("[data-place]").textContent);
  }
  const before = timeline.children[1]?.dataset.position, previous = one("[data-previous]");
  if (words && before && previous) previous.href = `${location.pathname}?as_of=${before}&${org}`;
}

// An event unfolds to its JSON when it is opened.
timeline.addEventListener("toggle", async event => {
  const details = event.target;
  const shown = one("[data-json]", details);
  if (!details.open || shown.textContent) return;
  const answer = await fetch(one('[data-field="json"]', details).href).catch(() => null);
  shown.textContent = answer?.ok ? JSON.stringify(await answer.json(), null, 2) : "the event cannot be read just now";
}, true);

/** The parts of another page of this server. The browser parses the page and runs none of its scripts. */
const page = url => new Promise((resolve, reject) => {
  const asked = new XMLHttpRequest();
  asked.responseType = "document";
  asked.onload = () => asked.status === 200 && asked.response ? resolve(asked.response) : reject(new Error(`status ${asked.status}`));
  asked.onerror = reject;
  asked.open("GET", url);
  asked.send();
});

/** Shows the timeline of another page. */
function timelineOf(found) {
  timeline.replaceChildren(...all("[data-timeline] > li", found));
  lead(found);
}

/** The entries of the page `found` are the last ones: leads to those before them. */
function lead(found) {
  const next = one("[data-older]", found);
  if (next) older.href = next.href;
  older.parentElement.hidden = !next;
  all("time", timeline).forEach(times.show);
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

document.addEventListener("click", async event => {
  if (event.target === older) {
    event.preventDefault();
    const found = await page(older.href).catch(() => null);
    if (!found) return;
    timeline.append(...all("[data-timeline] > li", found));
    lead(found);
  } else if (event.target === olderLines) {
    event.preventDefault();
    await addLines().catch(() => {});
  }
});

// The filter takes its entries from the page that it leads to without scripts.
one("button", filter).hidden = true;
filter.addEventListener("change", async () => {
  const found = await page(`${filter.action}?${new URLSearchParams(new FormData(filter))}`).catch(() => null);
  if (found) timelineOf(found);
});

async function send(type, data, recorded) {
  const { ok, said } = await append(type, article.dataset.job, data, recorded);
  one("[data-said]").textContent = said;
  return ok;
}

one("[data-actions]").hidden = false;
one("[data-cancel]")?.addEventListener("submit", async event => {
  event.preventDefault();
  const reason = new FormData(event.target).get("reason");
  await send("job.cancelled", reason ? { reason } : {}, "The cancellation is recorded.");
});
one("[data-retry]")?.addEventListener("submit", async event => {
  event.preventDefault();
  const answer = await fetch(`${path}/retry`, { method: "POST" }).catch(() => null);
  const said = answer ? await answer.json().catch(() => ({})) : { detail: "the server does not answer" };
  if (answer?.ok) location.assign(`/jobs/${encodeURIComponent(said.job.id)}`);
  else one("[data-said]").textContent = said.detail ?? `status ${answer.status}`;
});
one("[data-note]")?.addEventListener("submit", async event => {
  event.preventDefault();
  if (await send("job.noted", { text: new FormData(event.target).get("text") }, "The note is recorded.")) event.target.reset();
});

// The slider shows the moment that it stands on; letting it go leads there.
const slider = one("[data-slider]");
slider?.addEventListener("input", ({ target }) => {
  const place = `event ${target.value} of ${target.max}`;
  target.setAttribute("aria-valuetext", place);
  one("[data-place]").textContent = place;
});
slider?.addEventListener("change", () => slider.requestSubmit());
if (slider) one("button", slider).hidden = true;

// Arrow keys walk through the job's events.
document.addEventListener("keydown", event => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const link = event.key === "ArrowLeft" ? one("[data-previous]") : event.key === "ArrowRight" ? one("[data-next]") : null;
  link?.click();
});

const take = changes => {
  show(changes);
  if (job.position > revision) grow();
};
if ("follow" in article.dataset) {
  setInterval(took, 1000);
  follow(`${path}?${org}`, {
    snapshot: whole => {
      // A redaction takes away text that the page may show anywhere.
      if ((whole.redactions ?? []).length > all("[data-redactions] li").length) return location.reload();
      take({ ...whole, output: { offset: 0, text: whole.hook?.output ?? "" } });
    },
    changed: take,
  });
}
if (location.hash) seek().catch(() => {});
else pre.scrollTop = pre.scrollHeight;
