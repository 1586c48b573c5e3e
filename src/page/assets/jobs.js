// The list of jobs, live. Rows change where they are; new jobs wait behind a button while the reader is busy further down.
import { all, cancellation, clone, counts, field, one, state } from "./dom.js";
import { offer } from "./bulk.js";
import { follow } from "./live.js";

const list = one("[data-list]");
const body = one("tbody", list);
const fresh = one("[data-fresh]");

const doing = job => cancellation(job.cancelled)
  || (!job.ended_at && job.current_step) || job.message || "";

function fill(row, job) {
  row.dataset.id = job.id;
  row.dataset.created = job.created_position;
  state(row, job.status);
  field(row, "id", job.id).href = `/jobs/${encodeURIComponent(job.id)}${job.org_id === list.dataset.org ? "" : `?org=${job.org_id}`}`;
  for (const name of ["kind", "job_type", "created_by", "created_at", "last_event_at", "ended_at"]) if (name in job) field(row, name, job[name]);
  field(row, "doing", doing(job));
  field(row, "percent", job.progress);
  field(row, "counts", counts(job));
  return row;
}

// The rows that are shown and the jobs of the page, both by the position at which the job was created.
const shown = new Map(all("tr", body).map(row => [Number(row.dataset.created), row]));
const jobs = new Map();
let most = 50;

// Nothing moves under the pointer, the focus, or the eyes of a reader who has scrolled.
const busy = () => scrollY > 40 || body.contains(document.activeElement) || body.matches(":hover");

/** Shows the jobs of the page. New jobs wait behind the button while the reader is busy, unless `all` asks for them. */
function render(everything) {
  const page = [...jobs.values()].sort((a, b) => b.created_position - a.created_position);
  page.splice(most).forEach(job => jobs.delete(job.created_position));
  for (const [created, row] of shown) {
    if (jobs.has(created)) continue;
    row.remove();
    shown.delete(created);
  }
  const wait = !everything && busy();
  const top = Math.max(0, ...shown.keys());
  let waiting = 0, below = body.firstElementChild;
  for (const job of page) {
    const row = shown.get(job.created_position);
    if (row) {
      fill(row, job);
      below = row.nextElementSibling;
    } else if (wait && job.created_position > top) {
      waiting++;
    } else {
      const added = fill(clone("job-row"), job);
      shown.set(job.created_position, added);
      body.insertBefore(added, below);
    }
  }
  fresh.hidden = waiting === 0;
  fresh.textContent = `${waiting} new`;
  one("[data-empty]").hidden = page.length > 0;
}

// The numbers above the list follow it, at most one request in two seconds.
const filters = new URLSearchParams(location.search);
[...filters].forEach(([name, value]) => value || filters.delete(name));
const counted = new URLSearchParams(filters);
["status", "order", "after"].forEach(name => counted.delete(name));
let asked = false;

function count() {
  if (asked) return;
  asked = true;
  setTimeout(async () => {
    asked = false;
    const answer = await fetch(`/ledger/jobs/counts?${counted}`).catch(() => null);
    if (!answer?.ok) return;
    const { at_least, ...states } = await answer.json();
    one("[data-at-least]").hidden = !at_least;
    const total = Object.values(states).reduce((sum, jobs) => sum + jobs, 0);
    for (const link of all("[data-count]")) one("b", link).textContent = states[link.dataset.count] ?? total;
  }, 2000);
}

function changed({ jobs: rows, gone_created = [] }) {
  for (const job of rows) jobs.set(job.created_position, job);
  for (const created of gone_created) jobs.delete(created);
  render(false);
  count();
}

function snapshot({ jobs: rows, first }) {
  most = first ?? most;
  jobs.clear();
  for (const job of rows) jobs.set(job.created_position, job);
  render(false);
  count();
}

fresh.addEventListener("click", () => {
  render(true);
  scrollTo({ top: 0 });
});

const bulk = one("[data-bulk]");
if (bulk) offer(bulk, new URLSearchParams([...filters].filter(([name]) => name !== "after")));

// An older page is not live: its jobs have a fixed place in the list. Neither is a list that begins with the oldest job.
if ("follow" in list.dataset) {
  filters.delete("order");
  const pause = follow(`/ledger/jobs?${filters}`, { snapshot, changed });
  const box = one("[data-pause]");
  box.hidden = false;
  one("input", box).addEventListener("change", event => pause(event.target.checked));
}
