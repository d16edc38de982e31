#!/bin/sh
# What the official image's entrypoint does, as far as airy uses it: POSTGRES_USER, POSTGRES_PASSWORD(_FILE), POSTGRES_DB.
# https://github.com/docker-library/postgres/blob/master/docker-entrypoint.sh
set -eu

if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
  POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
  export POSTGRES_PASSWORD
  unset POSTGRES_PASSWORD_FILE
fi
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres "$PGDATA"
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

user=${POSTGRES_USER:-postgres}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?is not set}"
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  initdb --username="$user" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm -f /tmp/password
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  # Like the official image: a server on the local socket only, until the database is there.
  pg_ctl -w -o "-c listen_addresses=''" start
  [ "${POSTGRES_DB:-$user}" = postgres ] || createdb --username="$user" --maintenance-db=postgres "${POSTGRES_DB:-$user}"
  pg_ctl -w -m fast stop
fi
exec "$@" -c listen_addresses='*'
