-- Every index ends in the rowid, so each of these lists newest first without a sort. Made last when views are rebuilt.
CREATE INDEX job_org ON job (org);
CREATE INDEX job_org_status ON job (org, status);
CREATE INDEX job_kind ON job (org, kind);
CREATE INDEX job_status ON job (org, kind, status);
CREATE INDEX job_type ON job (org, job_type) WHERE job_type IS NOT NULL;
CREATE INDEX job_kind_type ON job (org, kind, job_type) WHERE job_type IS NOT NULL;
CREATE INDEX job_created_by ON job (org, created_by);
CREATE INDEX job_cancelled_by ON job (org, cancelled_by) WHERE cancelled_by IS NOT NULL;
-- These two find the jobs of a range of times, if it has few.
CREATE INDEX job_created ON job (org, created_at);
CREATE INDEX job_ended ON job (org, ended_at) WHERE ended_at IS NOT NULL;
-- These three find what the ledger itself has to do: jobs to hand out, leases that may run out, and failed jobs to repeat. They hold
-- the jobs that wait for it alone, so they stay small.
CREATE INDEX job_pending_type ON job (org, kind, job_type) WHERE status = 'pending' AND job_type IS NOT NULL;
CREATE INDEX job_leased ON job (lease_since) WHERE status = 'running' AND lease_since IS NOT NULL;
CREATE INDEX job_to_retry ON job (org) WHERE status = 'failed' AND retry_max IS NOT NULL AND retried_as IS NULL;
