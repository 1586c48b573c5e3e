// Cancels all jobs that match the filters: one request a job, each result in the ledger's words, and a way to stop.
import { append } from "./append.js";
import { one } from "./dom.js";

const OPEN = ["running", "pending"];

/** The jobs of the person's organisation that match and have not ended. */
async function matching(filters) {
  const found = [];
  for (const status of OPEN) {
    if (filters.get("status") && filters.get("status") !== status) continue;
    const query = new URLSearchParams(filters);
    query.set("status", status);
    query.set("first", 1000);
    let after = null;
    do {
      if (after) query.set("after", after);
      const answer = await fetch(`/ledger/jobs?${query}`);
      if (!answer.ok) throw new Error((await answer.json()).detail);
      const { jobs, next } = await answer.json();
      found.push(...jobs.map(job => job.id));
      after = next;
    } while (after);
  }
  return found;
}

/** Lets the button ask once, and cancel. */
export function offer(button, filters) {
  const dialog = one("[data-bulk-dialog]"), form = one("form", dialog), said = one("[data-bulk-said]", dialog);
  const list = one("[data-bulk-results]", dialog), stop = one("[data-bulk-stop]", dialog), close = one("[data-bulk-close]", dialog);
  let jobs = [], stopped = false, asking = false;
  const phase = running => {
    form.hidden = running !== null;
    stop.hidden = !running;
    close.hidden = running !== false;
    // The focus stays in the dialog when the button that had it goes.
    (running ? stop : close).focus();
  };
  button.hidden = false;
  button.addEventListener("click", async () => {
    // A disabled button would lose the focus, which comes back to it when the dialog closes.
    if (asking) return;
    asking = true;
    jobs = await matching(filters).catch(error => ({ error }));
    asking = false;
    one("h2", dialog).textContent = jobs.error ? "The jobs cannot be listed just now"
      : jobs.length ? `Cancel ${jobs.length === 1 ? "1 job" : `all ${jobs.length} jobs`} that match?` : "No job that matches can be cancelled";
    said.textContent = "";
    list.replaceChildren();
    phase(jobs.length ? null : false);
    dialog.showModal();
  });
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const reason = new FormData(form).get("reason");
    stopped = false;
    phase(true);
    let cancelled = 0, tried = 0;
    for (const job of jobs) {
      if (stopped) break;
      const result = await append("job.cancelled", job, reason ? { reason } : {}, "the cancellation is recorded");
      tried++;
      if (result.ok) cancelled++;
      const entry = document.createElement("li");
      entry.className = result.ok ? "" : "fault";
      entry.textContent = `${job}: ${result.said}`;
      list.prepend(entry);
      said.textContent = `${cancelled} of ${jobs.length} cancelled${tried > cancelled ? `, ${tried - cancelled} refused` : ""}`;
    }
    if (stopped) said.textContent += `; stopped before ${jobs.length - tried}`;
    phase(false);
  });
  stop.addEventListener("click", () => { stopped = true; });
  for (const end of [close, one("[data-bulk-leave]", dialog)]) end.addEventListener("click", () => dialog.close());
  // Escape stops before it closes.
  dialog.addEventListener("cancel", event => {
    if (!stop.hidden) event.preventDefault();
    stopped = true;
  });
}
