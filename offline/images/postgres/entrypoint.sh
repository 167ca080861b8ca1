#!/bin/sh
# Makes the database on an empty volume, then is Postgres.
# Reads POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE (removed once read), PGDATA.
set -eu
umask 077

make() {
    draft=$PGDATA.draft
    rm -rf "$draft"
    initdb --pgdata="$draft" --username=rdsadmin --encoding=UTF8 --locale=C.UTF-8 --auth=peer \
        --data-checksums --no-sync >/dev/null
    openssl req -new -x509 -days 3650 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
        -subj "/CN=$(hostname)" -keyout "$draft/server.key" -out "$draft/server.crt" 2>/dev/null
    pg_ctl --pgdata="$draft" --silent --wait -o "-c config_file=$config -c listen_addresses=''" start
    psql --quiet --no-psqlrc --host=/run/postgresql --username=rdsadmin --dbname=postgres \
        --file=/usr/local/lib/postgres/master.sql >/dev/null
    pg_ctl --pgdata="$draft" --silent --wait --mode=fast stop
    initdb --sync-only --pgdata="$draft" >/dev/null
    mv -T "$draft" "$PGDATA"
}

config=/etc/postgresql/postgresql.conf
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    fi
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "POSTGRES_PASSWORD is empty; a database on an empty volume needs one for its master" >&2
        exit 64
    fi
    case ${POSTGRES_USER:-} in
    rdsadmin | rds_* | pg_*)
        echo "POSTGRES_USER is $POSTGRES_USER; rdsadmin, rds_* and pg_* are reserved: choose another name" >&2
        exit 64
        ;;
    esac
    export POSTGRES_USER="${POSTGRES_USER:-postgres}" POSTGRES_PASSWORD
    export POSTGRES_DB="${POSTGRES_DB:-$POSTGRES_USER}"
    make
fi
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    rm -f "$POSTGRES_PASSWORD_FILE"
fi
unset POSTGRES_PASSWORD
exec postgres -D "$PGDATA" -c "config_file=$config"
