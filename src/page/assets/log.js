// The tail of the log: each new event becomes a row at the top.
import { all, clone, field, one } from "./dom.js";
import { follow } from "./live.js";

const table = one("[data-log]");
const body = one("tbody", table);
const MOST = 500;
const TYPES = ["job.created", "job.started", "job.progress", "job.item_result", "job.hook_output", "job.completed", "job.failed",
  "job.cancelled", "job.noted", "job.redacted"];

function take(event, id) {
  const row = clone("log-row");
  row.dataset.position = id;
  field(row, "position", id).href = `/ledger/events/${id}`;
  field(row, "type", event.type);
  field(row, "job", event.subject).href = `/jobs/${encodeURIComponent(event.subject ?? "")}`;
  field(row, "actor", event.actor);
  field(row, "recorded", event.recordedtime);
  body.prepend(row);
  all("tr", body).slice(MOST).forEach(old => old.remove());
  one("[data-empty]").hidden = true;
}

const filters = new URLSearchParams(location.search);
[...filters].forEach(([name, value]) => value || filters.delete(name));
const types = filters.getAll("type").length ? filters.getAll("type") : TYPES;
const pause = follow(`/ledger/events?${filters}`, Object.fromEntries(types.map(type => [type, take])), table.dataset.position);
const box = one("[data-pause]");
box.hidden = false;
one("input", box).addEventListener("change", event => pause(event.target.checked));
