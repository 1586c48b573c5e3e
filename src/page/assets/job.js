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
const ESCAPES = /\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)/g;
let revision = Number(article.dataset.revision);
// The bytes of output that the page shows.
let known = Number(one("[data-output]").dataset.bytes);
let job = {}, asking = false;

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

function output({ offset, text }) {
  const bytes = new TextEncoder().encode(text);
  if (offset > known || offset + bytes.length <= known) return;
  text = new TextDecoder().decode(bytes.subarray(known - offset));
  known = offset + bytes.length;
  const atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
  one("[data-output]").hidden = false;
  terminal.write(text);
  // The output follows its end until the reader scrolls up.
  if (atEnd) pre.scrollTop = pre.scrollHeight;
}

/** Shows a field that most jobs lack. */
function optional(name, value) {
  if (value === undefined || value === null) return false;
  field(article, name, value).closest("[data-optional]").hidden = !value;
  return Boolean(value);
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
  if (changes.items) items(changes.items);
  if (changes.output) output(changes.output);
}

const WORDS = {
  "job.created": data => data.created_by ? `for ${data.created_by}` : "",
  "job.item_result": data => `${data.item} ${data.status}${data.message ? `: ${data.message}` : ""}`,
  "job.hook_output": data => data.exit_code !== undefined ? `exit code ${data.exit_code} after ${data.execution_time_sec} s`
    : (data.output ?? "").split("\n")[0].replace(ESCAPES, ""),
  "job.cancelled": data => data.reason ?? "",
  "job.noted": data => data.text,
  "job.retried": data => `as ${data.retried_as}`,
  "job.started": data => [data.worker && `by worker ${data.worker}`, data.message].filter(Boolean).join(": "),
  "job.redacted": data => `event ${data.position}: ${data.reason}`,
  "job.progress": data => [
    data.progress === undefined ? null : `${data.progress} %`,
    data.records_processed === undefined ? null : `${data.records_processed} records`,
    data.current_step, data.message,
  ].filter(Boolean).join(", "),
};

const failed = ({ type, data }) => type === "job.failed" || type === "job.item_result" && data?.status === "failed"
  || type === "job.hook_output" && Boolean(data?.exit_code);
const wanted = event => (!filter.type.value || filter.type.value === event.type) && (!filter.failures.checked || failed(event));

/** Adds the events after the newest one in the timeline. Calls meanwhile are one call afterwards. */
async function grow() {
  if (asking) return;
  asking = true;
  try {
    const answer = await fetch(`${path}/events?after=${revision}&limit=100&${org}`);
    if (!answer.ok) return;
    const { events } = await answer.json();
    for (const event of events) {
      const position = Number(event.position);
      if (position <= revision) continue;
      revision = position;
      one("[data-place]").textContent = `event ${event.position}, ${event.type} by ${event.actor}`;
      if (!wanted(event) || one(`[data-position="${position}"]`, timeline)) continue;
      const entry = clone("entry");
      entry.dataset.position = event.position;
      entry.dataset.type = event.type;
      field(entry, "position", event.position).href = `${location.pathname}?as_of=${event.position}&${org}`;
      field(entry, "type", event.type);
      field(entry, "actor", event.actor);
      field(entry, "time", event.time);
      field(entry, "text", event.data ? (WORDS[event.type] ?? (data => data.message ?? ""))(event.data) : "data redacted");
      one('[data-field="json"]', entry).href = `/ledger/events/${event.position}`;
      timeline.prepend(entry);
    }
  } finally {
    asking = false;
  }
  if (job.position > revision) setTimeout(grow, 200);
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

/** Adds what the page behind a link has, `more` of its elements, and makes the link lead to the next one. */
async function extend(name, more) {
  const link = one(`[${name}]`);
  const found = await page(link.href).catch(() => null);
  if (!found) return;
  more(found);
  const next = one(`[${name}]`, found);
  next ? link.href = next.href : link.remove();
  all("time", timeline).forEach(times.show);
}

document.addEventListener("click", async event => {
  if (event.target.matches("[data-older]")) {
    event.preventDefault();
    await extend("data-older", found => timeline.append(...all("[data-timeline] > li", found)));
  } else if (event.target.matches("[data-older-lines]")) {
    event.preventDefault();
    await extend("data-older-lines", found => {
      const fromEnd = pre.scrollHeight - pre.scrollTop;
      pre.prepend(...all("[data-line]", found));
      pre.scrollTop = pre.scrollHeight - fromEnd;
    });
  }
});

// The filter takes its entries from the page that it leads to without scripts.
one("button", filter).hidden = true;
filter.addEventListener("change", async () => {
  const found = await page(`${filter.action}?${new URLSearchParams(new FormData(filter))}`).catch(() => null);
  if (!found) return;
  timeline.replaceChildren(...all("[data-timeline] > li", found));
  one("[data-older]")?.parentElement.remove();
  const older = one("[data-older]", found);
  if (older) timeline.after(older.parentElement);
  all("time", timeline).forEach(times.show);
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
  follow(`${path}?${org}`, {
    snapshot: whole => take({ ...whole, output: { offset: 0, text: whole.hook?.output ?? "" } }),
    changed: take,
  });
}
if (!location.hash) pre.scrollTop = pre.scrollHeight;
