// Proofs of a Merkle tree, as RFC 9162 verifies them (sections 2.1.3.2 and 2.1.4.2). Sizes may exceed 32 bits, so no bit operators.
const hash = async (prefix, ...parts) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob([Uint8Array.of(prefix), ...parts]).arrayBuffer()));
const node = (left, right) => hash(1, left, right);
const odd = n => n % 2 === 1;
const half = n => Math.floor(n / 2);

export const leafHash = leaf => hash(0, leaf);
export const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** Whether the hashes lead from the leaf at `index` to the root. */
export async function inclusion(leaf, index, { size, root }, hashes) {
  if (index >= size) return false;
  let [at, last, found] = [index, size - 1, leaf];
  for (const next of hashes) {
    if (last === 0) return false;
    if (odd(at) || at === last) {
      found = await node(next, found);
      while (!odd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      found = await node(found, next);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && same(found, root);
}

/** Whether the hashes show that the later tree begins with the earlier one. */
export async function consistency(earlier, later, hashes) {
  if (earlier.size === later.size) return hashes.length === 0 && same(earlier.root, later.root);
  let [at, last] = [earlier.size - 1, later.size - 1];
  while (odd(at)) [at, last] = [half(at), half(last)];
  // The root of an earlier tree that is complete is not in the proof.
  const path = at === 0 ? [earlier.root, ...hashes] : hashes;
  let [first, second] = [path[0], path[0]];
  if (!first) return false;
  for (const next of path.slice(1)) {
    if (last === 0) return false;
    if (odd(at) || at === last) {
      first = await node(next, first);
      second = await node(next, second);
      while (!odd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      second = await node(second, next);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && same(first, earlier.root) && same(second, later.root);
}
