// One job, live: the read model changes in place, output is added at its end, and the timeline grows at its top.
import { all, cancellation, clone, counts, field, one, state } from "./dom.js";
import { follow } from "./live.js";

const article = one("[data-job]");
const path = `/ledger/jobs/${encodeURIComponent(article.dataset.job)}`;
const org = article.dataset.org;
const timeline = one("[data-timeline]");
const ESCAPES = /\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)/g;
const NEVER = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
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
  const terminal = one("[data-terminal]");
  const bytes = new TextEncoder().encode(text);
  if (offset > known || offset + bytes.length <= known) return;
  text = new TextDecoder().decode(bytes.subarray(known - offset));
  known = offset + bytes.length;
  const atEnd = terminal.scrollTop + terminal.clientHeight >= terminal.scrollHeight - 8;
  one("[data-output]").hidden = false;
  terminal.append(text.replace(ESCAPES, "").replace(NEVER, ""));
  if (atEnd) terminal.scrollTop = terminal.scrollHeight;
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
    : (data.output ?? "").split("\n")[0].replace(ESCAPES, "").replace(NEVER, ""),
  "job.cancelled": data => data.reason ?? "",
  "job.noted": data => data.text,
  "job.redacted": data => `event ${data.position}: ${data.reason}`,
  "job.progress": data => [
    data.progress === undefined ? null : `${data.progress} %`,
    data.records_processed === undefined ? null : `${data.records_processed} records`,
    data.current_step, data.message,
  ].filter(Boolean).join(", "),
};

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
      const entry = clone("entry");
      entry.dataset.position = event.position;
      entry.dataset.type = event.type;
      field(entry, "position", event.position).href = `?as_of=${event.position}&${org}`;
      field(entry, "type", event.type);
      field(entry, "actor", event.actor);
      field(entry, "time", event.time);
      field(entry, "text", event.data ? (WORDS[event.type] ?? (data => data.message ?? ""))(event.data) : "data redacted");
      one('[data-field="json"]', entry).href = `/ledger/events/${event.position}`;
      timeline.prepend(entry);
      revision = position;
      one("[data-place]").textContent = `event ${event.position}, ${event.type} by ${event.actor}`;
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

/** Appends an event, as any client does. The page's own source keeps its ids apart from those of workers. */
async function append(type, data) {
  const event = {
    specversion: "1.0", id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, source: "/page", type,
    subject: article.dataset.job, data,
  };
  const answer = await fetch("/ledger/events", {
    method: "POST", headers: { "content-type": "application/cloudevents+json" }, body: JSON.stringify(event),
  }).catch(() => null);
  const said = one("[data-said]");
  if (answer?.ok) said.textContent = type === "job.noted" ? "The note is recorded." : "The cancellation is recorded.";
  else said.textContent = answer ? (await answer.json().catch(() => ({}))).detail ?? `status ${answer.status}` : "the server does not answer";
  return answer?.ok;
}

one("[data-actions]").hidden = false;
one("[data-cancel]")?.addEventListener("submit", async event => {
  event.preventDefault();
  const reason = new FormData(event.target).get("reason");
  await append("job.cancelled", reason ? { reason } : {});
});
one("[data-note]")?.addEventListener("submit", async event => {
  event.preventDefault();
  if (await append("job.noted", { text: new FormData(event.target).get("text") })) event.target.reset();
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
const terminal = one("[data-terminal]");
terminal.scrollTop = terminal.scrollHeight;
