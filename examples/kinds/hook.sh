#!/bin/sh
# The hook of examples/kinds/roles.py: runs after the roles of a job were tried. The environment has the id of the job
# (JOB), how it is about to end (PHASE: completed or failed) and the usable roles (ROLES), but no password and no token.
echo "job $JOB $PHASE"
for role in $ROLES; do
  echo "usable: $role"
done
[ "$PHASE" = completed ]
