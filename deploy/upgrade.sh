#!/usr/bin/env bash
# Replace the running services of docker-compose.yml by the image as it is now, without a moment in which nobody answers:
# the new replicas are ready before the old ones are told to stop. Run it where docker-compose.yml lies, after
# `docker compose build` or `docker compose pull`. It keeps the number of replicas.
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

# Consumers before producers: whoever reads an event knows every field that its writer may send.
for service in notify render ingest; do
    replace "$service"
done
