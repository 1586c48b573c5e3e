"""Appends, reads, cancels and pages with two generated clients: `one` by openapi-python-client, `other` by openapi-generator.

    clients.py URL TOKEN
"""

import sys
from uuid import uuid4

url, token = sys.argv[1:]

TASK = {"kind": "task", "spec": {"job_type": "full_sync", "total_records": 10}}
RULE = {"kind": "rule", "spec": {"actions": [{"id": "x", "type": "create", "rule": {"type": "grant"}}]}}
DATABASE = {"kind": "dbrole", "spec": {"db_arn": "arn:db", "db_engine": "postgres"}}
KEPT = {"credentials_info": {"secrets_manager_provider": "vault", "secret_id": "db/1", "secret_keys": ["USER"]}}


def history(name, database):
    """What happens, as (type, job, data): first one event, then many."""
    return [("job.created", name, TASK)], [
        ("job.started", name, {"message": "on it"}),
        ("job.progress", name, {"records_processed": 4}),
        ("job.created", f"{name}-rule", RULE),
        ("job.started", f"{name}-rule", {}),
        ("job.item_result", f"{name}-rule", {"item": "x", "status": "completed", "message": "granted"}),
        ("job.created", database, DATABASE),
        ("job.started", database, {}),
        ("job.item_result", database, {"item": "reader", "status": "completed", "detail": KEPT}),
        ("job.hook_output", database, {"output": "done\n", "exit_code": 0, "execution_time_sec": 1}),
        ("job.completed", database, {}),
    ]


def use_one():
    from one import AuthenticatedClient
    from one.api.dbrole import get_db_role_job
    from one.api.ledger import append_events, diff_job, get_job, list_events, list_jobs
    from one.api.rule import get_rule_job
    from one.api.task import cancel_task, get_task, get_task_progress, list_tasks
    from one.models import CloudEventIn, CloudEventInData, ProducedType

    client = AuthenticatedClient(base_url=url, token=token)

    def event(event_type, job, data):
        kind, members = ProducedType(event_type), CloudEventInData.from_dict(data)
        name = {"specversion": "1.0", "id": str(uuid4()), "source": "/tests/one"}
        return CloudEventIn(**name, type_=kind, subject=job, data=members)

    name, database = "one", str(uuid4())
    first, more = ([event(*what) for what in events] for events in history(name, database))
    before = append_events.sync(client=client, body=first[0]).position
    after = append_events.sync(client=client, body=more).position
    assert after == before + len(more)
    assert append_events.sync(client=client, body=first).events[0].duplicate, "a batch of one that is known"

    assert get_job.sync(name, client=client).records_processed == 4
    assert get_job.sync(name, client=client, as_of=str(before)).status == "pending"
    assert get_job.sync(database, client=client).items[0].item == "reader"
    assert get_job.sync(name, client=client, as_of="1999-01-01T00:00:00Z").code == "no-such-job"
    assert get_task.sync(name, client=client).progress == 40
    assert get_task_progress.sync(name, client=client).current_step is None
    assert get_rule_job.sync(f"{name}-rule", client=client).id == f"{name}-rule"
    assert get_db_role_job.sync(database, client=client).id == database
    assert diff_job.sync(name, client=client, from_=str(before)).changes

    assert cancel_task.sync_detailed(name, client=client, if_match='"1"').status_code == 412
    assert cancel_task.sync_detailed(name, client=client).status_code == 204
    refused = append_events.sync(client=client, body=event("job.completed", name, {}))
    assert (refused.code, refused.state, refused.position) == ("lifecycle", "cancelled", after + 1)

    jobs, page = [], list_jobs.sync(client=client, first=1)
    while page.next_:
        jobs += [job.id for job in page.jobs]
        page = list_jobs.sync(client=client, first=1, after=page.next_)
    jobs += [job.id for job in page.jobs]
    assert {name, f"{name}-rule", database} <= set(jobs)
    tasks = list_tasks.sync(client=client, first=1, start_date="2024-01-01")
    assert tasks.jobs[0].id == name
    events, cursor = 0, 0
    while cursor is not None:
        page = list_events.sync(client=client, limit=5, after=cursor)
        events, cursor = events + len(page.events), page.next_
    assert events == page.head


def use_other():
    import other
    from other import CloudEventIn, CloudEventInOrBatch

    client = other.ApiClient(other.Configuration(host=url, access_token=token))
    ledger, tasks = other.LedgerApi(client), other.TaskApi(client)

    def event(event_type, job, data):
        return CloudEventIn(
            specversion="1.0", id=str(uuid4()), source="/tests/other", type=event_type, subject=job, data=data
        )

    name, database = "other", str(uuid4())
    first, more = ([event(*what) for what in events] for events in history(name, database))
    before = ledger.append_events(CloudEventInOrBatch(first[0])).position
    after = ledger.append_events(CloudEventInOrBatch(more)).position
    assert after == before + len(more)
    assert ledger.append_events(CloudEventInOrBatch(first)).events[0].duplicate, "a batch of one that is known"

    assert ledger.get_job(name).records_processed == 4
    assert ledger.get_job(name, as_of=str(before)).status == "pending"
    assert ledger.get_job(database).items[0].item == "reader"
    assert tasks.get_task(name).progress == 40
    assert tasks.get_task_progress(name).current_step is None
    assert other.RuleApi(client).get_rule_job(f"{name}-rule").id == f"{name}-rule"
    assert other.DbroleApi(client).get_db_role_job(database).id == database
    assert ledger.diff_job(name, var_from=str(before)).changes

    tasks.cancel_task(name)
    try:
        ledger.append_events(CloudEventInOrBatch(event("job.completed", name, {})))
        raise AssertionError("a cancelled job was completed")
    except other.ApiException as refused:
        problem = refused.data
        assert (problem.code, problem.state, problem.position) == ("lifecycle", "cancelled", after + 1)

    jobs, page = [], ledger.list_jobs(first=1)
    while page.next:
        jobs += [job.id for job in page.jobs]
        page = ledger.list_jobs(first=1, after=page.next)
    jobs += [job.id for job in page.jobs]
    assert {name, f"{name}-rule", database} <= set(jobs)
    assert tasks.list_tasks(first=1, start_date="2024-01-01").jobs[0].id == name
    events, cursor = 0, 0
    while cursor is not None:
        page = ledger.list_events(limit=5, after=cursor)
        events, cursor = events + len(page.events), page.next
    assert events == page.head


use_one()
use_other()
