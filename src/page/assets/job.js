// One job, live: the read model changes in place. Its output and its timeline have modules of their own.
import { append } from "./append.js";
import { all, cancellation, clone, counts, field, one, state } from "./dom.js";
import { follow } from "./live.js";
import { output, outputGoesOn } from "./output.js";
import { growTo } from "./timeline.js";

const article = one("[data-job]");
const path = `/ledger/jobs/${encodeURIComponent(article.dataset.job)}`;
const org = article.dataset.org;
// Most items that the page shows.
const ITEMS = 1000;
let job = {};

/** The detail of an item: where credentials are kept, or its JSON. */
function detail(of) {
  const kept = of.credentials_info;
  return kept ? `${kept.secrets_manager_provider}: ${kept.secret_id} (${kept.secret_keys.join(", ")})` : JSON.stringify(of);
}

const rows = new Map(all("[data-items] tbody tr").map(row => [row.dataset.item, row]));
// The items that have no row.
const leftOut = new Set();

function items(changes) {
  const section = one("[data-items]");
  const body = one("tbody", section);
  section.hidden = section.hidden && changes.length === 0;
  for (const item of changes) {
    let row = rows.get(item.item);
    if (!row) {
      if (rows.size >= ITEMS) {
        leftOut.add(item.item);
        continue;
      }
      row = clone("item-row");
      row.dataset.item = item.item;
      rows.set(item.item, row);
      body.append(row);
    }
    state(row, item.status);
    field(row, "item", item.item);
    field(row, "message", item.message);
    if (item.detail) field(row, "detail", detail(item.detail));
    field(row, "at", item.at);
  }
  if (leftOut.size > 0) field(section, "items_left_out", leftOut.size).parentElement.hidden = false;
}

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
  outputGoesOn();
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

async function send(type, data, recorded) {
  const { ok, said } = await append(type, article.dataset.job, data, recorded);
  one("[data-said]").textContent = said;
  // The page of a past moment stays there.
  if (ok && !one(".travel.past")) await look();
  return ok;
}

/** Takes the job as it is now: the page of an ended job has no stream. */
async function look() {
  const answer = await fetch(`${path}?${org}`).catch(() => null);
  if (answer?.ok) take(await answer.json());
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
  growTo(job.position);
};
if ("follow" in article.dataset) {
  setInterval(took, 1000);
  follow(`${path}?${org}`, {
    snapshot: whole => take({ ...whole, output: { offset: 0, text: whole.hook?.output ?? "" } }),
    changed: take,
  });
}
