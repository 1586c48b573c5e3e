// Checks what the ledger signed, with Web Crypto: the checkpoint's signature, a receipt, and that the log only grew.
import { one } from "./dom.js";
import { inclusion, consistency, leafHash, same } from "./tree.js";

const KEY = "jobledger-key", SEEN = "jobledger-seen";
const HEADER = "c2sp.org/tlog-proof@v1";
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const utf8 = text => new TextEncoder().encode(text);
const must = (holds, why) => { if (!holds) throw new Error(why); };

/** Reads `name+id+base64(1 ‖ public key)`. */
async function verifierKey(text) {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([0-9A-Za-z+/]{44})$/.exec(text.trim()) ?? [];
  must(name, "expected a verifier key, name+id+key");
  const key = bytes(encoded);
  must(key[0] === 1, "expected an Ed25519 key");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from([...utf8(`${name}\n`), ...key])));
  must([...hash.slice(0, 4)].map(byte => byte.toString(16).padStart(2, "0")).join("") === id, "the id of the verifier key does not fit the key; is a part missing?");
  return { name, id: hash.slice(0, 4), key: await crypto.subtle.importKey("raw", key.slice(1), "Ed25519", false, ["verify"]) };
}

/** Checks a signed note, and returns the checkpoint in it. */
async function opened(note, { name, id, key }) {
  const [body, signatures] = note.split("\n\n");
  const [origin, size, root] = body.split("\n");
  must(origin === name, `the checkpoint is of the log ${origin}, and the key is of ${name}`);
  for (const line of (signatures ?? "").split("\n")) {
    const signed = line.startsWith(`— ${name} `) ? bytes(line.slice(name.length + 3)) : [];
    if (signed.length === 68 && same(signed.slice(0, 4), id) && await crypto.subtle.verify("Ed25519", key, signed.slice(4), utf8(`${body}\n`))) {
      return { origin, size: Number(size), root: bytes(root), text: root };
    }
  }
  throw new Error("the key did not sign the checkpoint");
}

const read = async path => {
  const answer = await fetch(path).catch(() => null);
  must(answer, "the server does not answer");
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? `status ${answer.status}`);
  return answer;
};

const signature = key => async () => {
  const checkpoint = await opened(await (await read("/ledger/checkpoint")).text(), key);
  return [`The key signed the newest checkpoint: ${checkpoint.size} events, root ${checkpoint.text}.`, checkpoint];
};

const receipt = (key, link) => async () => {
  const text = await (await read(link.href)).text();
  const at = text.indexOf("\n\n");
  const [header, extra, index, ...hashes] = text.slice(0, at).split("\n");
  must(header === HEADER && extra.startsWith("extra ") && index === `index ${link.dataset.proof}`, "expected the receipt of this event");
  const leaf = bytes(extra.slice(6));
  const checkpoint = await opened(text.slice(at + 2), key);
  const found = JSON.parse(new TextDecoder().decode(leaf));
  must(found.subject === link.dataset.subject, `the receipt is of the job ${found.subject}`);
  must(await inclusion(await leafHash(leaf), Number(link.dataset.proof), checkpoint, hashes.map(bytes)), "the proof does not lead from the event to the root");
  return [`Event ${link.dataset.proof}, ${found.type} by ${found.actor}, recorded ${found.recordedtime}, is in the signed log of ${checkpoint.size} events.`];
};

const growth = newest => async () => {
  const seen = JSON.parse(localStorage.getItem(SEEN) ?? "{}")[newest.origin];
  if (!seen) return ["This browser has seen no earlier checkpoint of this log. It keeps this one for the next time."];
  must(seen.size <= newest.size, `this browser has seen a log of ${seen.size} events, and this one has ${newest.size}`);
  const { hashes } = seen.size < newest.size ? await (await read(`/ledger/consistency?from=${seen.size}&to=${newest.size}`)).json() : { hashes: [] };
  const grown = await consistency({ size: seen.size, root: bytes(seen.root) }, newest, hashes.map(bytes));
  must(grown, `this log does not begin with the ${seen.size} events that this browser has seen`);
  return [`The log begins with the ${seen.size} events that this browser saw last; none was changed or removed.`];
};

async function check(text) {
  const list = one("[data-verdict]");
  list.replaceChildren();
  const say = (holds, said) => {
    const entry = document.createElement("li");
    entry.className = holds ? "holds" : "fails";
    entry.textContent = said;
    list.append(entry);
  };
  const step = async run => {
    const [said, more] = await run();
    say(true, said);
    return more ?? true;
  };
  try {
    const key = await verifierKey(text);
    const newest = await step(signature(key));
    const link = one("[data-proof]");
    if (link) await step(receipt(key, link));
    await step(growth(newest));
    localStorage.setItem(KEY, text.trim());
    const seen = JSON.parse(localStorage.getItem(SEEN) ?? "{}");
    localStorage.setItem(SEEN, JSON.stringify({ ...seen, [newest.origin]: { size: newest.size, root: newest.text } }));
    say(true, "Verified, as far as a page of the server can verify it. Read below what that does not prove.");
  } catch (error) {
    say(false, `Not verified: ${error.message}`);
  }
}

document.querySelectorAll("[data-here]").forEach(here => { here.textContent = location.origin; });
const form = one("[data-check]");
if (window.isSecureContext && crypto.subtle) {
  form.hidden = false;
  one("[data-insecure]").hidden = true;
  form.key.value = localStorage.getItem(KEY) ?? "";
  form.addEventListener("submit", event => {
    event.preventDefault();
    check(form.key.value);
  });
}
