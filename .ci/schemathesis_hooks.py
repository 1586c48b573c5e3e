"""What no schema can tell schemathesis: how far the log goes, which cursor an earlier page answered, how old a time may be."""

from datetime import date
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

# `after` of these is an opaque cursor, good only with the filters of the page that answered it.
LISTS = {"/api/v1/jobs", "/ledger/jobs"}
# Plain text in the description, because generated clients cannot tell a position from a time, or a date from a time.
MOMENTS = {"as_of", "from", "to"}
DATES = {"start_date", "end_date"}
# A position that the seed jobs reach.
REACHED = 6
# How many events that makes, the genesis event too: the largest tree that can be asked for.
SIZE = REACHED + 1
# What the description only refers to: the data of each type of event.
DATA = {
    "job.created": {"kind": "task", "spec": {"job_type": "enrichment", "total_records": 3}, "labels": {"ticket": "A-2"}},
    "job.started": {"message": "on it"},
    "job.progress": {"progress": 40, "current_step": "reading", "records_processed": 4, "total_records": 10},
    "job.item_result": {"item": "part", "status": "running"},
    "job.hook_output": {"output": "héllo", "stream": "stdout"},
    "job.completed": {"records_created": 1},
    "job.failed": {"message": "no"},
    "job.cancelled": {"reason": "not needed"},
    "job.noted": {"text": "seen"},
    "job.redacted": {"position": 6, "reason": "asked for"},
}
# What is erased is an event of a job that has ended; everything else is about a job that runs.
ENDED, RUNNING = "job-done", "job-123"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes a request that fits the schema one that must be answered. What does not fit is left alone."""
    # Whatever else is wrong with a request: a position that the log does not have yet is waited for, and then answered 503.
    position = str((case.query or {}).get("min_position", ""))
    if position.isascii() and position.isdigit() and int(position) < 2**63:
        case.query["min_position"] = min(int(position), REACHED)
    # A claim waits for a job as long as it says.
    if case.path == "/ledger/claims" and isinstance(case.body, dict):
        waits = case.body.get("wait_sec")
        if type(waits) is int and 0 < waits <= 60:
            case.body["wait_sec"] = 0
    if not case.meta or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if case.path == "/ledger/events" and case.method == "POST":
        case.body = [whole(event) for event in case.body] if isinstance(case.body, list) else whole(case.body)
    if not case.query:
        return
    # A heartbeat belongs to a stream, and nothing here asks for one.
    case.query.pop("heartbeat", None)
    if "quiet_for" in case.query:
        # A pattern cannot say "from 1 second to 3650 days": 10 to 19 of any unit are between them.
        case.query["quiet_for"] = "1" + str(case.query["quiet_for"])[-2:]
    if case.path == "/ledger/export" and "checkpoint" in case.query:
        # A checkpoint covers the whole log.
        for name in {"from", "job", "org"} & case.query.keys():
            case.query.pop(name)
    if case.path == "/ledger/export" and "job" not in case.query:
        case.query.pop("org", None)
    if case.path == "/ledger/consistency":
        sizes = sorted(min(max(int(case.query[name]), 1), SIZE) for name in ("from", "to"))
        case.query["from"], case.query["to"] = sizes
    for name in MOMENTS & case.query.keys() if case.path != "/ledger/consistency" else ():
        case.query[name] = moment(str(case.query[name]))
    for name in DATES & case.query.keys():
        case.query[name] = time(str(case.query[name]))
    if case.path.endswith("/diff"):
        order(case.query)
    if case.path.endswith("/evidence") and "since" in case.query:
        held = case.query["since"]
        case.query["since"] = [min(max(int(size), 1), SIZE) for size in (held if isinstance(held, list) else [held])]
    if case.path in LISTS:
        case.query.pop("after", None)


def moment(text):
    """A moment that is there: a position, or a time, which is before the first event."""
    if text.isascii() and text.isdigit():
        return str(min(int(text), REACHED))
    return time(text)


def time(text):
    """A time before the first event, another one for another text."""
    return f"20{len(text) % 20:02}-01-01T00:00:00Z"


def order(query):
    """The earlier moment first. A time is before every position."""
    positions = {name: int(query[name]) for name in ("from", "to") if query.get(name, "").isdigit()}
    if "to" not in positions:
        query.pop("to", None)
    elif "from" in positions:
        query["from"] = str(min(positions.values()))


def whole(event):
    """Every other event new, with the data of its type, about a job that is there; the others as they were made up."""
    if len(event["id"]) % 2 == 0:
        return event
    event = {**event, "id": str(uuid4()), "data": DATA[event["type"]]}
    event.pop("time", None)
    if event["type"] == "job.created":
        event.pop("subject", None)
    else:
        event["subject"] = ENDED if event["type"] == "job.redacted" else RUNNING
    return event


# The ledger keeps times of 1678 to 2261; `as_of` may not be ahead of its clock.
DAY = st.dates(min_value=date(1700, 1, 1), max_value=date(2020, 1, 1)).map(date.isoformat)
CLOCK = st.sampled_from(["00:00:00", "12:34:56.5", "23:59:59.123456789"])
OFFSET = st.sampled_from(["Z", "+00:00", "-00:00", "+05:30", "-23:59"])
schemathesis.openapi.format("date", DAY)
schemathesis.openapi.format("date-time", st.builds("{}T{}{}".format, DAY, CLOCK, OFFSET))
