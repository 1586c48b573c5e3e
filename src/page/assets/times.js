// One switch for all times: UTC, local, or relative. The `datetime` of each element keeps the time with its zone.
import { all, one, times } from "./dom.js";

const KEY = "jobledger-times";
const STEPS = [[60, "second"], [60, "minute"], [24, "hour"], [Infinity, "day"]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });
let how = localStorage.getItem(KEY) ?? "utc";

function ago(date) {
  let amount = (date - Date.now()) / 1000;
  for (const [size, unit] of STEPS) {
    if (Math.abs(amount) < size) return relative.format(Math.round(amount), unit);
    amount /= size;
  }
}

function show(element) {
  const date = new Date(element.dateTime);
  if (!element.dateTime || Number.isNaN(date.getTime())) {
    element.textContent = "";
    return;
  }
  element.title = element.dateTime;
  element.textContent = how === "relative" || "ago" in element.dataset ? ago(date)
    : how === "local" ? date.toLocaleString()
      : element.dateTime.replace("T", " ").replace(/\.\d+/, "");
}

/** The time of day of a moment. Its zone is the reader's, or UTC where the reader chose UTC. */
export const clock = date => how === "utc" ? `${date.toISOString().slice(11, 19)} UTC` : date.toTimeString().slice(0, 8);

export const showTimes = (root = document) => all("time", root).forEach(show);

const choice = one("[data-times]");
if (choice) {
  choice.value = how;
  choice.addEventListener("change", () => {
    how = choice.value;
    localStorage.setItem(KEY, how);
    showTimes();
  });
}
times.show = show;
// A copied time is the RFC 3339 time with its zone, in each form.
document.addEventListener("copy", event => {
  const node = document.getSelection()?.anchorNode?.parentElement?.closest("time");
  if (node?.dateTime && document.getSelection().toString().trim() === node.textContent.trim()) {
    event.clipboardData.setData("text/plain", node.dateTime);
    event.preventDefault();
  }
});
setInterval(() => document.visibilityState === "visible" && (how === "relative" ? showTimes() : all("time[data-ago]").forEach(show)), 5000);
showTimes();
