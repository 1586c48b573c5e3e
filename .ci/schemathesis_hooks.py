"""What no schema can tell schemathesis: how far the log goes, which cursor an earlier page answered, how old a time may be."""

from datetime import date

import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

# `after` of these is an opaque cursor, good only with the filters of the page that answered it.
LISTS = {"/api/v1/jobs", "/ledger/jobs"}
# A position that the seed jobs reach.
REACHED = 6


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes a request that fits the schema one that must be answered. What does not fit is left alone."""
    if not case.meta or case.meta.generation.mode is not GenerationMode.POSITIVE or not case.query:
        return
    if case.path in LISTS:
        case.query.pop("after", None)
    for name in ("min_position", "as_of"):
        if str(case.query.get(name, "")).isdigit():
            case.query[name] = min(int(case.query[name]), REACHED)


# The ledger keeps times of 1678 to 2261; `as_of` may not be ahead of its clock.
DAY = st.dates(min_value=date(1700, 1, 1), max_value=date(2020, 1, 1)).map(date.isoformat)
CLOCK = st.sampled_from(["00:00:00", "12:34:56.5", "23:59:59.123456789"])
OFFSET = st.sampled_from(["Z", "+00:00", "-00:00", "+05:30", "-23:59"])
schemathesis.openapi.format("date", DAY)
schemathesis.openapi.format("date-time", st.builds("{}T{}{}".format, DAY, CLOCK, OFFSET))
