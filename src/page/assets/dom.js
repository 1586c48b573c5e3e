// Small helpers around the document. Text is set as text only; no script makes HTML from a string.

export const one = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** A copy of the first element in the template with this id. */
export const clone = id => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** Shows the time of a `<time>`. `times.js` replaces this with the form that the reader chose. */
export const times = { show: element => { element.textContent = element.dateTime; } };

/** Sets the text of the element that shows `name`. Does not touch an element that shows it already. */
export function field(root, name, value) {
  const element = one(`[data-field="${name}"]`, root);
  if (!element) return;
  const text = value === null || value === undefined ? "" : String(value);
  if (element.tagName === "TIME") {
    if (element.dateTime !== text) {
      element.dateTime = text;
      times.show(element);
    }
  } else if (element.tagName === "PROGRESS") {
    element.value = Number(value) || 0;
    element.textContent = `${text} %`;
  } else if (element.textContent !== text) {
    element.textContent = text;
  }
  return element;
}

/** Shows a state in words and colour. */
export function state(root, status) {
  const element = field(root, "status", status);
  if (element) element.className = `state ${status}`;
}

export const counts = job =>
  job.records_processed !== null && job.total_records !== null ? `${job.records_processed} of ${job.total_records}`
    : job.records_processed !== null ? `${job.records_processed}`
      : job.total_records !== null ? `0 of ${job.total_records}` : "";

export const cancellation = cancelled =>
  cancelled ? `cancelled by ${cancelled.by}${cancelled.reason ? `: ${cancelled.reason}` : ""}` : "";

/** Runs `work` once at a time. Calls meanwhile are one call afterwards, `pause` milliseconds later. */
export function single(pause, work) {
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

/** The parts of another page of this server. The browser parses the page and runs none of its scripts. */
export const page = url => new Promise((resolve, reject) => {
  const asked = new XMLHttpRequest();
  asked.responseType = "document";
  asked.onload = () => asked.status === 200 && asked.response ? resolve(asked.response) : reject(new Error(`status ${asked.status}`));
  asked.onerror = reject;
  asked.open("GET", url);
  asked.send();
});
