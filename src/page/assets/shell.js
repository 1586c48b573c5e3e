// What every page has: the switch of the times, and forms of filters that leave empty fields out of the address.
import { all } from "./dom.js";
import "./times.js";

for (const form of all("form.filters")) {
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
}
