#!/bin/bash
# Follows a tail with curl across broken connections, and prints the id of each event of a job.
#
#     follow.sh URL TOKEN
url=$1 token=$2 last=
while true; do
  while IFS=': ' read -r name value; do
    case $name in
      id) id=$value ;;
      event) event=$value ;;
      '')
        [[ $event == closed ]] && exit
        [[ -n $id ]] && last=$id
        [[ $event == job.* ]] && echo "$id"
        event= ;;
    esac
  done < <(curl -sN -H "Authorization: Bearer $token" -H 'Accept: text/event-stream' ${last:+-H "Last-Event-ID: $last"} "$url")
  sleep 0.2
done
