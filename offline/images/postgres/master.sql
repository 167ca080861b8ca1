-- Hands the database over as RDS does: a master who creates roles and databases and is no superuser.
-- rds_superuser has less here than on RDS, never more: what works here works there.
\set ON_ERROR_STOP on
-- A failing statement, with the password in it, must not get into the server's log.
SET log_min_error_statement = panic;
\getenv master POSTGRES_USER
\getenv database POSTGRES_DB
\getenv password POSTGRES_PASSWORD
CREATE ROLE rds_superuser NOLOGIN;
CREATE ROLE rds_replication NOLOGIN;
CREATE ROLE rds_password NOLOGIN;
CREATE ROLE rds_iam NOLOGIN;
GRANT pg_monitor, pg_signal_backend, pg_checkpoint, rds_replication, rds_password
    TO rds_superuser WITH ADMIN OPTION;
CREATE ROLE :"master" LOGIN CREATEROLE CREATEDB VALID UNTIL 'infinity' PASSWORD :'password';
GRANT rds_superuser TO :"master" WITH ADMIN OPTION;
ALTER DATABASE postgres OWNER TO :"master";
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'master')
    WHERE :'database' <> 'postgres' \gexec
