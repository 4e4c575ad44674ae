#!/usr/bin/env bash
# Replace the running services of docker-compose.yml by the image as it is now, without a moment in which nobody answers:
# the new replicas are ready before the old ones are told to stop. Run it where docker-compose.yml lies, after
# `docker compose build` or `docker compose pull`. It keeps the number of replicas. `upgrade.sh back` goes back to the
# release before.
set -euo pipefail

replace() {
    local service=$1 old count
    old=$(docker compose ps --quiet "$service")
    count=$(wc -w <<<"$old")
    docker compose up --detach --wait --no-deps --no-recreate --scale "$service=$((count * 2))" "$service"
    # One after the other: each gives what it has in hand its 8 s, and the rest goes on meanwhile.
    for container in $old; do
        docker stop -t 15 "$container"
        docker rm "$container"
    done
    docker compose up --detach --wait --no-deps --no-recreate --scale "$service=$count" "$service"
}

# Nothing that this release has accepted may wait when a render of the release before takes over.
wait_until_shown() {
    until docker compose exec -T render clarion status --json | grep -q '"unshown": {"waiting": 0,'; do sleep 1; done
}

# Consumers before producers: whoever reads an event knows every field that its writer may send. Back, the other way round.
if [ "${1:-}" = back ]; then
    replace ingest
    wait_until_shown
    replace render
    replace notify
else
    for service in notify render ingest; do replace "$service"; done
fi
