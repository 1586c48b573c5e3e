#!/bin/sh
# Imports 1,000 people from a CSV file into an SQLite file, and reports the import to a jobledger with curl.
#
# README.md shows how to start a ledger and make a token for a worker. Then:
#
#   export JOBLEDGER_URL=http://127.0.0.1:8347 JOBLEDGER_TOKEN=jl_...
#   examples/import.sh people.csv people.db
#
# The script makes people.csv. One record has no e-mail address, so one item of the job fails. It needs curl 7.76 and
# sqlite3. It writes its JSON by hand; texts that may have quotes or newlines need a tool such as jq.
set -eu

source=$1
target=$2
job=import-$(date +%s)-$$
sent=0
lost=

# report TYPE DATA: appends one event, and ends the script if the ledger refuses it. The event keeps its id while curl
# tries again, so the ledger records it once. Other users can read a command line, so curl gets the token on stdin.
report() {
  sent=$((sent + 1))
  event='{"specversion":"1.0","source":"/shell","id":"'$job-$sent'","type":"'$1'","subject":"'$job'","data":'$2'}'
  answer=$(printf 'header = "Authorization: Bearer %s"\n' "$JOBLEDGER_TOKEN" |
    curl --silent --show-error --fail-with-body --max-time 30 --retry 8 --retry-connrefused --config - \
      --header 'Content-Type: application/json' --data "$event" "$JOBLEDGER_URL/ledger/events") || {
    lost=yes # The refusal of a cancelled job has "state":"cancelled".
    printf '%s: %s\n' "$1" "$answer" >&2
    exit 1
  }
}

# At the end: a script that failed for another reason fails the job.
finish() {
  code=$?
  rm -f "$source.part"
  [ "$code" = 0 ] || [ "$lost" ] || report job.failed '{"message":"the import ended with exit code '$code'"}'
}
trap finish EXIT
trap 'exit 130' INT TERM

# Moves the records that were read into the SQLite file.
store() {
  sqlite3 "$target" '.mode csv' ".import '$source.part' person"
  : >"$source.part"
}

report job.created '{"kind":"generic","spec":{"job_type":"import","total_records":1000,
  "parameters":{"source":"'$source'","target":"'$target'"}}}'
echo "$JOBLEDGER_URL/jobs/$job"
report job.started '{}'

for number in $(seq 1000); do
  [ "$number" = 617 ] && echo "$number,Person $number," || echo "$number,Person $number,person-$number@example.org"
done >"$source"
report job.hook_output '{"output":"'$source' has 1000 records\n"}'

sqlite3 "$target" 'DROP TABLE IF EXISTS person; CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, email TEXT)'
: >"$source.part"
count=0
created=0
while IFS=, read -r id name email; do
  count=$((count + 1))
  if [ "$email" ]; then
    echo "$id,$name,$email" >>"$source.part"
    created=$((created + 1))
  else
    report job.item_result '{"item":"person-'$id'","status":"failed","message":"no e-mail address"}'
  fi
  if [ $((count % 100)) = 0 ]; then
    store
    report job.progress '{"records_processed":'$count',"records_created":'$created',"current_step":"'"$name"'"}'
  fi
done <"$source"
report job.hook_output '{"output":"'"$created of $count records are in $target"'\n"}'
report job.completed '{}'
