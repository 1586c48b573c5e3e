// The tail of the log: each new event becomes a row at the top.
import { all, clone, field, one } from "./dom.js";
import { follow } from "./live.js";

const table = one("[data-log]");
const body = one("tbody", table);
const MOST = 500;
// A stream tells scripts only of the types that they name.
const TYPES = all('[name="type"] option').map(option => option.value).filter(Boolean);

function take(event, id) {
  const row = clone("log-row");
  row.dataset.position = id;
  field(row, "position", id).href = `/ledger/events/${id}`;
  field(row, "type", event.type);
  const org = event.orgid && event.orgid !== table.dataset.org ? `?org=${event.orgid}` : "";
  field(row, "job", event.subject).href = `/jobs/${encodeURIComponent(event.subject ?? "")}${org}`;
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
