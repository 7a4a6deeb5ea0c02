#!/bin/sh
# POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, as the official image knows them.
set -e
user=${POSTGRES_USER:-postgres} db=${POSTGRES_DB:-$user}
as() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
mkdir -p "$PGDATA" && chown -R postgres:postgres "$PGDATA" && chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  (umask 077; printf %s "$POSTGRES_PASSWORD" >/run/pw); chown postgres /run/pw
  as initdb -D "$PGDATA" -U "$user" --pwfile=/run/pw -A scram-sha-256 --no-instructions
  rm /run/pw
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  as pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  [ "$db" = postgres ] || PGPASSWORD=$POSTGRES_PASSWORD createdb -h /var/run/postgresql -U "$user" "$db"
  as pg_ctl -D "$PGDATA" -m fast -w stop
fi
unset POSTGRES_PASSWORD
exec setpriv --reuid postgres --regid postgres --clear-groups "$@" -D "$PGDATA" -c listen_addresses='*'
