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
