// One stream of server-sent events for a visible tab. A hidden tab lets its stream go; a tab that is shown again resumes behind the
// last event that it has seen.
import { one } from "./dom.js";

const PAUSES = [500, 1000, 2000, 5000];

/**
 * Follows `path`. `events` are functions by the name of the event; each gets the parsed data and the id. A tail has a position to
 * start after, `from`, and resumes after the last event; other streams begin with a snapshot. The stream ends for good after
 * `closed`. Returns a function that pauses (true) and resumes (false).
 */
export function follow(path, events, from) {
  const banner = one("[data-live]");
  let source = null, last = from, lost = null, tries = 0, timer = null, ended = false, paused = false;

  const say = text => {
    banner.textContent = text;
    banner.hidden = !text;
  };
  const remember = event => {
    if (event.lastEventId) last = event.lastEventId;
  };
  const drop = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };
  const retry = () => {
    drop();
    lost ??= new Date();
    say(`not live since ${lost.toLocaleTimeString()}`);
    const pause = PAUSES[Math.min(tries++, PAUSES.length - 1)];
    timer = setTimeout(check, pause + Math.random() * pause / 2);
  };
  // The browser does not tell scripts why a stream failed, so a request of its own asks whether the session is over.
  const check = async () => {
    const answer = await fetch("/ledger/jobs?first=1").catch(() => null);
    if (answer?.status === 401) {
      location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    } else if (answer?.ok) {
      open();
    } else {
      retry();
    }
  };
  const open = () => {
    drop();
    if (ended || paused || document.visibilityState === "hidden") return;
    const url = new URL(path, location.href);
    if (from !== undefined) url.searchParams.set("after", last);
    source = new EventSource(url);
    source.onopen = () => {
      lost = null;
      tries = 0;
      say("");
    };
    source.onerror = retry;
    source.addEventListener("reset", () => location.reload());
    for (const [name, take] of Object.entries(events)) {
      source.addEventListener(name, event => {
        remember(event);
        take(JSON.parse(event.data), event.lastEventId);
      });
    }
    source.addEventListener("closed", event => {
      remember(event);
      ended = true;
      drop();
    });
  };
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" ? drop() : ended || open());
  addEventListener("pagehide", drop);
  addEventListener("online", open);
  open();
  return stop => {
    paused = stop;
    stop ? drop() : open();
  };
}
