#!/bin/sh
# Makes the database on an empty volume, then is Postgres.
# Reads POSTGRES_USER, POSTGRES_DB, PGDATA and the master's password: the file below, removed once read, else POSTGRES_PASSWORD.
set -eu
umask 077

# Runs scripts on a database as its superuser, who comes before anybody else can. usage: prepare PGDATA SCRIPT...
prepare() {
    data=$1
    shift
    pg_ctl --pgdata="$data" --silent --wait \
        -o "-c config_file=$config -c listen_addresses='' -c cron.launch_active_jobs=off" start
    for script; do
        psql --quiet --no-psqlrc --host=/run/postgresql --username=rdsadmin --dbname=postgres \
            --file="$scripts/$script" >/dev/null
    done
    pg_ctl --pgdata="$data" --silent --wait --mode=fast stop
    cp "$scripts/cron.sql" "$data/cron.sql"
}

make() {
    draft=$PGDATA.draft
    rm -rf "$draft"
    initdb --pgdata="$draft" --username=rdsadmin --encoding=UTF8 --locale=C.UTF-8 --auth=peer \
        --data-checksums --no-sync >/dev/null
    openssl req -new -x509 -days 3650 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
        -subj "/CN=$(hostname)" -keyout "$draft/server.key" -out "$draft/server.crt" 2>/dev/null
    prepare "$draft" master.sql cron.sql
    initdb --sync-only --pgdata="$draft" >/dev/null
    mv -T "$draft" "$PGDATA"
}

config=/etc/postgresql/postgresql.conf
scripts=/usr/local/lib/postgres
handed=/var/lib/postgresql/data/master-password
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    if [ -e "$handed" ]; then
        POSTGRES_PASSWORD=$(cat "$handed")
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
rm -f "$handed"
unset POSTGRES_PASSWORD
if ! cmp -s "$scripts/cron.sql" "$PGDATA/cron.sql"; then # the volume is older than the image
    prepare "$PGDATA" cron.sql
fi
exec postgres -D "$PGDATA" -c "config_file=$config"
