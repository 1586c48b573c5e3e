// What every page has: times, and the way out.
import { one } from "./dom.js";
import "./times.js";

const out = one("[data-sign-out]");
if (out) {
  out.hidden = false;
  out.addEventListener("click", async () => {
    await fetch("/session", { method: "DELETE" }).catch(() => null);
    location.assign("/sign-in");
  });
}
