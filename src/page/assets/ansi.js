// Output as a terminal draws it, by the rules of the server's own drawing (`terminal.rs`): colours are classes, a carriage return
// begins the line again, and every other sequence draws nothing.
import { clone } from "./dom.js";

const PARTS = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|\x1b|[\n\r]|[^\x1b\n\r]+/g;
// A sequence whose end is in the next part of the output.
const UNFINISHED = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$/;
const DROPPED = /[\0-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f]/g;
// These hide what stands there, so they are shown as their numbers.
const HIDING = /[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const FLAGS = { 1: "bold", 2: "faint", 3: "italic", 4: "underline" };
const ORDER = ["fg", "bg", "bold", "faint", "italic", "underline"];
const WIDTH = 10_000, WAITING = 4096;

const named = (n, base, bright) => n >= base && n < base + 8 ? n - base : n >= bright && n < bright + 8 ? n - bright + 8 : undefined;

/** A terminal that goes on where the server's lines in `pre` end. */
export class Terminal {
  constructor(pre) {
    this.pre = pre;
    this.row = "open" in pre.dataset ? pre.lastElementChild : null;
    this.number = Number(pre.lastElementChild?.dataset.line ?? 0);
    this.style = Object.fromEntries((pre.dataset.style ?? "").split(" ").filter(Boolean)
      .map(name => name.includes("-") ? name.split("-") : [name, true]));
    this.rest = "";
  }

  write(text) {
    text = this.rest + text;
    const at = text.search(UNFINISHED);
    this.rest = at >= 0 && text.length - at < WAITING ? text.slice(at) : "";
    if (this.rest) text = text.slice(0, at);
    for (const [part, params, action] of text.matchAll(PARTS)) {
      if (part === "\n") this.end();
      else if (part === "\r") this.returned = true;
      else if (action === "m") this.select(params);
      else if (part[0] !== "\x1b") this.print(part.replace(DROPPED, "").replace(HIDING, c => `\\u{${c.codePointAt(0).toString(16)}}`));
    }
  }

  /** Keeps the newest lines, so many at most. Returns whether an older one went. */
  keep(most) {
    const gone = [...this.pre.children].slice(0, -most);
    gone.forEach(line => line.remove());
    return gone.length > 0;
  }

  line() {
    if (this.row) return this.row;
    this.number++;
    this.row = clone("line");
    this.row.dataset.line = this.number;
    const link = this.row.firstElementChild;
    link.id = `L${this.number}`;
    link.href = `#L${this.number}`;
    link.ariaLabel = `line ${this.number}`;
    this.pre.append(this.row);
    return this.row;
  }

  end() {
    this.line().append("\n");
    this.row = null;
    this.returned = false;
  }

  print(text) {
    const row = this.line();
    if (this.returned) {
      while (row.lastChild !== row.firstElementChild) row.lastChild.remove();
      this.returned = false;
    }
    text = text.slice(0, Math.max(0, WIDTH - row.textContent.length));
    const classes = ORDER.filter(name => this.style[name] !== undefined)
      .map(name => this.style[name] === true ? name : `${name}-${this.style[name]}`).join(" ");
    if (!classes) return row.append(text);
    const span = document.createElement("span");
    span.className = classes;
    span.textContent = text;
    row.append(span);
  }

  /** Select Graphic Rendition. Colours beyond the sixteen named ones draw as plain text. */
  select(params) {
    const codes = params.split(/[;:]/).map(Number);
    for (let i = 0; i < codes.length; i++) {
      const n = codes[i];
      if (n === 0) this.style = {};
      else if (FLAGS[n]) this.style[FLAGS[n]] = true;
      else if (n === 22) delete this.style.bold, delete this.style.faint;
      else if (n === 23) delete this.style.italic;
      else if (n === 24) delete this.style.underline;
      else if (n === 38 || n === 48) {
        const colour = codes[i + 1] === 5 && codes[i + 2] < 16 ? codes[i + 2] : undefined;
        this.style[n === 38 ? "fg" : "bg"] = colour;
        i += codes[i + 1] === 5 ? 2 : 4;
      } else if (n >= 30 && n <= 39 || n >= 90 && n <= 97) this.style.fg = named(n, 30, 90);
      else if (n >= 40 && n <= 49 || n >= 100 && n <= 107) this.style.bg = named(n, 40, 100);
    }
  }
}
