// What every page has: the switch of the times, and forms of filters that leave empty fields out of the address.
import { all } from "./dom.js";
import "./times.js";

for (const form of all("form.filters")) {
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
}

// A browser may keep a page that a person left, and show it again on the way back. Its stream is closed then, and its session may have
// ended, so the page asks the server again.
addEventListener("pageshow", event => {
  if (!event.persisted) return;
  document.body.hidden = true;
  location.reload();
});
