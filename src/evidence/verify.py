#!/usr/bin/env python3
"""Checks an evidence bundle of jobledger: the tar, or the folder that it unpacks to. Needs Python 3.9 and openssl 3.
Exit codes: 0 verified, 1 usage, 2 unreadable, 3 content tampered with, 4 signature or key, 6 data missing without a redaction,
7 consistent, but not signed by a key that --vkey pins. The script checks in this order, and ends at the first fault.
It trusts only files whose hashes lead to a signed root. Take this file from a source that you trust, never from the bundle."""
import argparse, base64, collections, hashlib, hmac, json, os, pathlib, re, subprocess, tarfile, tempfile

NAMES = "specversion id source type subject time datacontenttype dataschema position recordedtime actor orgid jobkind datadigest prev"
FINAL, AFTERWARDS = ("job.completed", "job.failed", "job.cancelled"), ("job.noted", "job.redacted")
Checkpoint = collections.namedtuple("Checkpoint", "origin size root note")
Event = collections.namedtuple("Event", "position type leaf data under first")
stage, files = 2, {}  # the exit code of a fault that is found now; the files of the bundle by name

def expect(holds, what):
    if not holds:
        raise ValueError(what)

def load(path):
    if os.path.isdir(path):
        found = [at for at in pathlib.Path(path).rglob("*") if at.is_file()]
        return files.update({at.relative_to(path).as_posix(): at.read_bytes() for at in found})
    tar, roots, room = tarfile.open(path, "r:"), set(), os.path.getsize(path)
    for member in filter(lambda member: not member.isdir(), tar):
        root, _, name = member.name.partition("/")
        roots, room = roots | {root}, room - member.size
        plain = member.isreg() and room >= 0 and not {"", ".", ".."} & {root, *name.split("/")}
        expect(plain and len(roots) == 1 and name not in files, f"no plain file, or one too many: {member.name!r}")
        files[name] = tar.extractfile(member).read()

def unbase64(text):
    expect(base64.b64encode(base64.b64decode(text)).decode() == text, "base64 in another spelling")
    return base64.b64decode(text)

def checkpoint(note):
    match = re.fullmatch(r"([^\n]+)\n([1-9][0-9]{0,18})\n(\S{44})\n\n(— \S+ \S+\n)+", note)
    expect(match, "a checkpoint has three lines and a signature")
    return Checkpoint(match[1], int(match[2]), unbase64(match[3]), note)

def signed_by(note, keys):
    """Returns those of the keys that signed the note. Fails if a signature in the name of one of the keys is bad."""
    text, _, lines = note.partition("\n\n")
    raws = [(name, unbase64(signature)) for _, name, signature in map(str.split, lines.splitlines())]
    signed = {(key, raw[4:]) for name, raw in raws for key in keys if key.split("+")[:2] == [name, raw[:4].hex()]}
    for key, signature in signed:
        with tempfile.TemporaryDirectory() as folder:  # the key as RFC 8410 writes it; its first byte here is the algorithm
            der = bytes.fromhex("302a300506032b6570032100") + unbase64(key.split("+", 2)[2])[1:]
            for name, content in (("key", der), ("text", f"{text}\n".encode()), ("signature", signature)):
                pathlib.Path(folder, name).write_bytes(content)
            command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile signature"
            done = subprocess.run(command.split(), cwd=folder, capture_output=True)
            expect(done.returncode == 0, f"{key} did not make the signature in its name")
    return {key for key, _ in signed}

def prove(name, leaf, index):
    """Follows a tlog-proof from the leaf to the root in its checkpoint (RFC 9162, 2.1.3.2), and returns the checkpoint."""
    form = r"c2sp\.org/tlog-proof@v1\nextra (\S+)\nindex ([0-9]+)\n((?:\S{44}\n){0,63})\n(.+)"
    match = re.fullmatch(form, files[name].decode(), re.S)
    expect(match and match[2] == str(index) and unbase64(match[1]) == leaf, f"{name} is no proof of this leaf")
    head = checkpoint(match[4])
    node, at, last = hashlib.sha256(b"\0" + leaf).digest(), index, head.size - 1
    for other in map(unbase64, match[3].split()):
        expect(last > 0, f"{name} has a hash too many")
        right = at % 2 or at == last
        node = hashlib.sha256(b"\1" + (other + node if right else node + other)).digest()
        while right and at and not at % 2:
            at, last = at // 2, last // 2
        at, last = at // 2, last // 2
    expect(index < head.size and last == 0 and node == head.root, f"{name} does not lead to the signed root")
    return head

def events(folder):
    """Yields every event in a folder, each checked by itself; `data` is `None` if it is missing."""
    columns = [files[folder + name].split(b"\n") for name in ("leaves.ndjson", "data.ndjson", "salts.txt")]
    expect({column.pop() for column in columns} == {b""} and len({*map(len, columns)}) == 1, f"{folder}: lines are missing")
    before = (-1, "")
    for line, data, salt in zip(*columns):
        leaf, erased = json.loads(line), data == salt == b"null"
        members = [name for name in NAMES.split() if name in leaf or name not in ("subject", "orgid", "jobkind", "prev")]
        same = json.dumps(leaf, ensure_ascii=False, separators=(",", ":")).encode() == line and len(line) <= 16384
        expect(same and list(leaf) == members and {*map(type, leaf.values())} == {str}, f"no leaf: {line[:200]}")
        here = (int(leaf["position"]), leaf["recordedtime"])
        expect(str(here[0]) == leaf["position"] and here[0] > before[0] and here[1] >= before[1], f"event {here[0]} is misplaced")
        digest = leaf["datadigest"] if erased else hmac.new(bytes.fromhex(salt.decode()), data, "sha256").hexdigest()
        expect(digest == leaf["datadigest"], f"the data of event {here[0]} is not what its leaf commits to")
        before, vouched = here, f"{folder}vouched/{here[0]}.tlog-proof"
        under = prove(f"{folder}proofs/{here[0]}.tlog-proof", line, here[0])
        first = prove(vouched, line, here[0]) if vouched in files else None
        yield Event(here[0], leaf["type"], leaf, None if erased else data, under, first)

def chain(job):
    """Checks that the events are one job's, from its first on, without a gap; returns the final event, or `None` if the job is open."""
    expect(len({tuple(map(event.leaf.get, ("orgid", "subject", "jobkind"))) for event in job}) == 1, "there is not one job")
    expect([event.leaf.get("prev") for event in job] == [None, *(event.leaf["position"] for event in job[:-1])], "an event is missing")
    ended = None
    for event in job:
        early = (event is job[0]) == (event.type == "job.created") and event.type != "job.redacted"
        expect(event.type in AFTERWARDS if ended else early, f"event {event.position}, {event.type}, is out of place")
        ended = event if event.type in FINAL else ended
    return ended

def learn_keys(own, pinned):
    """Returns the origin, its keys, all keys that the log ever named, and the keys that are the pinned one or follow from it."""
    origin, keys, named, trusted = None, set(), set(), {pinned}
    for event in own:
        body = json.loads(event.data or "{}")
        named.add(body.get("verifier_key", ""))
        if event.type == "ledger.key_added" and event.first:  # counts once an earlier key has signed a checkpoint over it
            signers = signed_by(event.first.note, named) & keys
            expect(signers and event.first.origin == origin, f"nobody vouches for the key of event {event.position}")
            keys.add(body["verifier_key"])
            trusted |= {body["verifier_key"]} if signers & trusted else set()
        elif event.type in ("ledger.created", "ledger.continued"):
            origin, keys = body.get("origin"), {body.get("verifier_key", "")}
    return origin, keys, named, trusted

def main(args):
    global stage
    load(args.bundle)
    stage = 3
    own, job = list(events("ledger/")), list(events(""))
    expect(own and own[0].type == "ledger.created", "the event that made the log is missing")
    ended, head = chain(job), job[0].under
    stage = 4
    expect({event.under.note for event in own + job} == {files["checkpoint"].decode()}, "a proof ends with another checkpoint")
    origin, keys, named, trusted = learn_keys(own, args.vkey)
    signers = signed_by(head.note, named) & keys
    expect(signers and {head.origin, *(key.split("+")[0] for key in signers)} == {origin}, "not signed with the log's own keys")
    expect(not args.vkey or args.vkey in named, "the pinned key is none of those that the log names")
    stage = 6
    erasures = {json.loads(event.data).get("position") for event in job if event.type == "job.redacted" and event.data}
    missing = {event.position for event in own + job if event.data is None} - erasures
    expect(not missing, f"the data of {sorted(missing)} is missing, and no erasure names it")
    end = f"complete, ended by {ended.type} at {ended.position}" if ended else "open, with no final one"
    print(f"job {job[0].leaf['subject']!a} of organisation {job[0].leaf['orgid']!a}: {len(job)} event{'s' * (len(job) != 1)}; {end}\n"
          f"log {origin!a} of {head.size} event{'s' * (head.size != 1)}, signed by {sorted(signers)!a}\n"
          f"not known: what came of the job after position {job[-1].position}. Not checked: job.json and timeline.html, for reading")
    stage = 7
    expect(signers & trusted, "compare the key above with what you know from elsewhere, and pin it by --vkey")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--vkey", metavar="KEY", help="the key that must have signed, from elsewhere than the bundle")
    parser.error = lambda what: parser.exit(1, f"{parser.format_usage()}verify.py: {what}\n")
    try:
        main(parser.parse_args())
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError, tarfile.TarError) as error:
        code = 2 if isinstance(error, (OSError, KeyError, tarfile.TarError)) else stage  # the bundle is unreadable, or lacks a file
        parser.exit(code, f"not verified ({code}): {error!r}\n")
    print("verified")
