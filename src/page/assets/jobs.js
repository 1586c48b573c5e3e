// The list of jobs, live. Rows change where they are; new jobs wait behind a button while the reader is busy further down.
import { all, cancellation, clone, counts, field, one, state } from "./dom.js";
import { follow } from "./live.js";

const list = one("[data-list]");
const body = one("tbody", list);
const fresh = one("[data-fresh]");
const MOST = 200;
const waiting = new Map();

const doing = job => cancellation(job.cancelled)
  || (!job.ended_at && job.current_step) || job.message || "";

function fill(row, job) {
  row.dataset.id = job.id;
  state(row, job.status);
  field(row, "id", job.id).href = `/jobs/${encodeURIComponent(job.id)}${job.org_id === list.dataset.org ? "" : `?org=${job.org_id}`}`;
  for (const name of ["kind", "job_type", "created_by", "created_at", "ended_at"]) field(row, name, job[name]);
  field(row, "doing", doing(job));
  field(row, "percent", job.progress);
  field(row, "counts", counts(job));
  return row;
}

const rowOf = id => body.querySelector(`tr[data-id="${CSS.escape(id)}"]`);
const busy = () => scrollY > 40 || body.contains(document.activeElement) || body.matches(":hover");

function showWaiting() {
  for (const job of [...waiting.values()].sort((a, b) => a.created_at < b.created_at ? -1 : 1)) {
    body.prepend(fill(clone("job-row"), job));
  }
  waiting.clear();
  all("tr", body).slice(MOST).forEach(row => row.remove());
  label();
}

function label() {
  fresh.hidden = waiting.size === 0;
  fresh.textContent = `${waiting.size} new`;
  one("[data-empty]").hidden = waiting.size > 0 || body.rows.length > 0;
}

function changed({ jobs = [], gone = [] }) {
  for (const job of jobs) {
    const row = rowOf(job.id);
    if (row) fill(row, job);
    else waiting.set(job.id, job);
  }
  for (const id of gone) {
    waiting.delete(id);
    rowOf(id)?.remove();
  }
  busy() ? label() : showWaiting();
}

function snapshot({ jobs }) {
  const known = new Set(jobs.map(job => job.id));
  all("tr", body).slice(0, jobs.length).forEach(row => known.has(row.dataset.id) || row.remove());
  changed({ jobs });
}

fresh.addEventListener("click", () => {
  showWaiting();
  scrollTo({ top: 0 });
});

// An older page is not live: its jobs have a fixed place in the list.
if ("newest" in list.dataset) {
  const filters = new URLSearchParams(location.search);
  [...filters].forEach(([name, value]) => value || filters.delete(name));
  const pause = follow(`/ledger/jobs?${filters}`, { snapshot, changed });
  const box = one("[data-pause]");
  box.hidden = false;
  one("input", box).addEventListener("change", event => pause(event.target.checked));
}
