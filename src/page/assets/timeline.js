// The timeline of a job, which the server draws: entries that are new, older ones, filters, and the JSON of an event.
import { all, one, page, single, times } from "./dom.js";

const MOST = 1000;
const article = one("[data-job]"), { org } = article.dataset;
const timeline = one("[data-timeline]"), filter = one("[data-filter]"), older = one("[data-older]");
// The newest event that the page has looked at, and the newest one that it knows of.
let revision = Number(article.dataset.revision), newest = revision;

/** Takes the entries up to an event, unless the page has them. */
export function growTo(position) {
  newest = Math.max(newest, position);
  if (newest > revision) grow();
}

/** Takes the entries after the newest one from the page of the timeline. */
const grow = single(1000, async () => {
  try {
    await entries();
  } finally {
    if (newest > revision) grow();
  }
});

async function entries() {
  const found = await page(`${filter.action}?${new URLSearchParams(new FormData(filter))}&after=${revision}`);
  const read = one("[data-timeline]", found).dataset;
  const more = all("[data-timeline] > li", found);
  revision = Number(read.newest);
  // More events came than a page has.
  if (one("[data-older]", found)) timelineOf(found);
  else timeline.prepend(...more);
  more.forEach(entry => all("time", entry).forEach(times.show));
  for (const entry of [...timeline.children].slice(MOST)) {
    entry.remove();
    older.parentElement.hidden = false;
    older.search = `?${new URLSearchParams([...new FormData(filter), ["as_of", timeline.lastElementChild.dataset.position - 1]])}`;
  }
  travel(Number(read.events), more[0]);
}

/** Moves the place among the job's events to the newest one; `entry` shows it, unless the filter hides it. */
function travel(events, entry) {
  const words = entry?.dataset.position === String(revision) ? `, ${entry.dataset.type} ${one(".by", entry).textContent}` : "";
  one("[data-place]").textContent = `event ${events} of ${events}${words}`;
  const input = one("[data-slider] input");
  // Nothing moves under the reader's hand.
  if (input && document.activeElement !== input) {
    input.max = input.value = events;
    input.setAttribute("aria-valuetext", one("[data-place]").textContent);
  }
  const before = timeline.children[1]?.dataset.position, previous = one("[data-previous]");
  const whole = !filter.type.value && !filter.failures.checked;
  if (whole && before && previous) previous.href = `${location.pathname}?as_of=${before}&${org}`;
}

// An event unfolds to its JSON when it is opened.
timeline.addEventListener("toggle", async event => {
  const details = event.target;
  const shown = one("[data-json]", details);
  if (!details.open || shown.textContent) return;
  const answer = await fetch(one('[data-field="json"]', details).href).catch(() => null);
  shown.textContent = answer?.ok ? JSON.stringify(await answer.json(), null, 2) : "the event cannot be read just now";
}, true);

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

older.addEventListener("click", async event => {
  event.preventDefault();
  const found = await page(older.href).catch(() => null);
  if (!found) return;
  timeline.append(...all("[data-timeline] > li", found));
  lead(found);
});

// The filter takes its entries from the page that it leads to without scripts.
one("button", filter).hidden = true;
filter.addEventListener("change", async () => {
  const found = await page(`${filter.action}?${new URLSearchParams(new FormData(filter))}`).catch(() => null);
  if (found) timelineOf(found);
});
