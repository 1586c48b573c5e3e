"""Verifies the root and the signature of a log with pymerkle and cryptography, and nothing of jobledger's.

    root.py DIR VKEY

DIR as verify.go has it; of it are read the checkpoint, those that are held, and the entries. Exit codes as there.
"""

import base64
import hashlib
import pathlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pymerkle import InmemoryTree

UNREADABLE, CONTENT, SIGNATURE, FORKED = 2, 3, 4, 5
WIDTH = 256


class Refused(Exception):
    """What failed, and the exit code for it."""

    def __init__(self, code, why):
        super().__init__(why)
        self.code = code


class Key:
    """A verifier key of signed-note, `name+id+base64`; 1 says Ed25519."""

    def __init__(self, text):
        self.name, written, key = text.split("+", 2)
        key = base64.b64decode(key, validate=True)
        self.id = hashlib.sha256(f"{self.name}\n".encode() + key).digest()[:4]
        if key[0] != 1 or self.id.hex() != written:
            raise ValueError("not an Ed25519 verifier key, or not its id")
        self.public = Ed25519PublicKey.from_public_bytes(key[1:])

    def open(self, name, note):
        """Size and root of a checkpoint that this key has signed."""
        text, _, signatures = note.rpartition(b"\n\n")
        text += b"\n"
        mine = []
        for line in signatures.splitlines():
            dash, signer, signature = line.decode().split(" ")
            signature = base64.b64decode(signature, validate=True)
            if dash == "—" and signer == self.name and signature[:4] == self.id:
                mine.append(signature[4:])
        if not mine:
            raise Refused(SIGNATURE, f"signature: {name}: none by {self.name}")
        try:
            # A bad one beside a good one spoils it.
            for signature in mine:
                self.public.verify(signature, text)
        except InvalidSignature:
            raise Refused(SIGNATURE, f"signature: {name}: not made by {self.name}") from None
        origin, size, root, end = text.decode().split("\n")
        if origin != self.name or end:
            raise Refused(SIGNATURE, f"signature: {name}: not a checkpoint of {self.name}")
        return int(size), base64.b64decode(root, validate=True)


def entries(folder, size):
    """The leaves of a tree of this size, out of its bundles."""
    for index in range(-(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        threes = f"{index:0{-(-len(str(index)) // 3) * 3}}"
        parts = [threes[at : at + 3] for at in range(0, len(threes), 3)]
        name = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:]) + (f".p/{width}" if width < WIDTH else "")
        bundle = memoryview((folder / "tile/entries" / name).read_bytes())
        for _ in range(width):
            end = 2 + int.from_bytes(bundle[:2], "big")
            if len(bundle) < max(end, 2):
                raise Refused(CONTENT, f"entries: {name} ends inside an entry")
            yield bytes(bundle[2:end])
            bundle = bundle[end:]
        if bundle:
            raise Refused(CONTENT, f"entries: {name} goes on after its last entry")


def verify(folder, key):
    size, root = key.open("checkpoint", (folder / "checkpoint").read_bytes())
    tree = InmemoryTree(algorithm="sha256")
    tree.append_entries(entries(folder, size))
    if tree.get_root() != root:
        raise Refused(CONTENT, "root: the entries have another one than was signed")
    for path in sorted((folder / "held").glob("*")):
        earlier, old = key.open(path.name, path.read_bytes())
        if earlier > size:
            raise Refused(FORKED, f"rollback: {path.name} is of {earlier} entries, the log has {size}")
        if tree.get_root(earlier) != old:
            raise Refused(FORKED, f"fork: {path.name}: the first {earlier} entries are others")
    print(f"verified {size} entries, root {base64.b64encode(root).decode()}")


def main():
    try:
        _, folder, key = sys.argv
        key = Key(key)
    except ValueError as error:
        print("usage: root.py DIR VKEY:", error, file=sys.stderr)
        return 1
    try:
        verify(pathlib.Path(folder), key)
    except Refused as refused:
        print(refused)
        return refused.code
    except (OSError, ValueError) as error:
        print("unreadable:", error)
        return UNREADABLE
    return 0


sys.exit(main())
