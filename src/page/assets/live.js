// One stream of server-sent events for a visible tab. A hidden tab lets its stream go; a tab that is shown again resumes behind the
// last event that it has seen.
import { one } from "./dom.js";
import { clock } from "./times.js";

const PAUSES = [500, 1000, 2000, 4000];
// The server sends a heartbeat after 5 s without another message. A stream that is silent for 20 s is lost, even if its connection
// looks open: the network went away, or the machine slept.
const HEARTBEAT = 5, SILENCE = 20_000;
// Without HTTP/2 a browser opens six connections to one server, and the stream of each visible window holds one.
const CONNECTIONS = 6;
const CROWDED = `${CONNECTIONS} windows hold every connection that a browser opens without TLS: close one, or let the server use TLS`;
const shared = performance.getEntriesByType("navigation")[0]?.nextHopProtocol === "h2";

/**
 * Follows `path`. `events` are functions by the name of the event; each gets the parsed data and the id. A tail has a position to
 * start after, `from`, and resumes after the last event; other streams begin with a snapshot. The stream ends for good after
 * `closed`. Returns a function that pauses (true) and resumes (false).
 */
export function follow(path, events, from) {
  const banner = one("[data-live]");
  let source = null, last = from, lost = null, heard = 0, tries = 0, timer = null, ended = false, paused = false, said = "";
  const windows = new BroadcastChannel("jobledger"), me = Math.random(), others = new Set();

  const show = () => {
    banner.textContent = said || (source && !shared && others.size + 1 >= CONNECTIONS ? CROWDED : "");
    banner.hidden = !banner.textContent;
  };
  const say = text => {
    said = text;
    show();
  };
  // The windows of this browser tell each other whether they hold a stream.
  const tell = asks => windows.postMessage({ id: me, holds: source !== null, asks });
  windows.onmessage = ({ data: { id, holds, asks } }) => {
    holds ? others.add(id) : others.delete(id);
    if (asks) tell(false);
    show();
  };
  const remember = event => {
    heard = Date.now();
    if (event.lastEventId) last = event.lastEventId;
  };
  const drop = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
    tell(false);
  };
  const gone = (since, why = "") => {
    drop();
    lost ??= new Date(since);
    say(`not live since ${clock(lost)}${why}`);
  };
  // The page has all of the stream up to `since`.
  const retry = since => {
    gone(since);
    const pause = PAUSES[Math.min(tries++, PAUSES.length - 1)];
    timer = setTimeout(check, pause + Math.random() * pause / 2);
  };
  // The browser does not tell scripts why a stream failed, so a request of its own asks whether the session is over.
  const check = async () => {
    const answer = await fetch("/ledger/jobs?first=1", { signal: AbortSignal.timeout(5000) }).catch(() => null);
    if (answer?.status === 401) {
      location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    } else if (answer?.ok) {
      open();
    } else {
      retry(Date.now());
    }
  };
  const open = () => {
    drop();
    if (ended || paused || document.visibilityState === "hidden") return;
    const url = new URL(path, location.href);
    url.searchParams.set("heartbeat", HEARTBEAT);
    if (from !== undefined) url.searchParams.set("after", last);
    source = new EventSource(url);
    tell(true);
    heard = Date.now();
    source.onopen = () => {
      heard = Date.now();
      lost = null;
      tries = 0;
      say("");
    };
    source.onerror = () => retry(Date.now());
    source.addEventListener("reset", () => location.reload());
    source.addEventListener("heartbeat", remember);
    // The server has no room for one more stream. An EventSource would ask again by itself, and `retry` too early.
    source.addEventListener("busy", () => {
      gone(Date.now(), ": too many pages are open at once");
      timer = setTimeout(open, 5000 + Math.random() * 10_000);
    });
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
  setInterval(() => source && Date.now() - heard > SILENCE && retry(heard), 5000);
  addEventListener("pagehide", drop);
  addEventListener("online", open);
  open();
  return stop => {
    paused = stop;
    stop ? drop() : open();
  };
}
