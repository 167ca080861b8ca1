"""The postgresql package: roles, databases, schemas and grants, watched through the catalogs.

The master is what RDS gives: CREATEROLE CREATEDB, no superuser. So it grants itself a role for as long as it
acts in that role's name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from offline.standins import grants
from offline.standins.kind import Call, ConflictError, Kind, Package, Properties, StandinError
from offline.standins.local import local_address

FLAGS = {
    "login": ("LOGIN", "rolcanlogin"),
    "createDatabase": ("CREATEDB", "rolcreatedb"),
    "createRole": ("CREATEROLE", "rolcreaterole"),
    "inherit": ("INHERIT", "rolinherit"),
    "replication": ("REPLICATION", "rolreplication"),
    "bypassRowLevelSecurity": ("BYPASSRLS", "rolbypassrls"),
    "superuser": ("SUPERUSER", "rolsuper"),
}
RESERVED = ("superuser", "replication", "bypassRowLevelSecurity")  # only a superuser may even name these


class Server:
    """The Postgres server behind a provider; only one on this machine is accepted."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.host = variables.get("host", "")
        local = self.host.startswith("/")
        self._given: dict[str, Any] = {
            "host": self.host,
            "hostaddr": None if local else local_address(self.host, "postgresql provider: host"),
            "port": int(variables.get("port") or 5432),
            "user": variables.get("username", "postgres"),
            "password": variables.get("password"),
            "sslmode": variables.get("sslmode") or variables.get("sslMode") or "prefer",
            "sslrootcert": variables.get("sslrootcert"),
            "connect_timeout": min(int(variables.get("connectTimeout") or 10), 10),
            "client_encoding": "utf8",
            "application_name": "pulumi",
        }
        self.user = str(self._given["user"])
        self.database = variables.get("database") or "postgres"
        self.lock = threading.Lock()  # concurrent grants on one object collide

    @contextmanager
    def session(self, database: str = "") -> Iterator[Session]:
        """Connects, one session at a time, in autocommit mode; errors are told without the SQL."""
        import psycopg

        given = {key: value for key, value in self._given.items() if value is not None}
        try:
            with (
                self.lock,
                psycopg.connect(**given, dbname=database or self.database, autocommit=True) as connection,
            ):
                yield Session(connection, self.user)
        except psycopg.Error as error:
            text = error.diag.message_primary or str(error).strip().splitlines()[0]
            raise StandinError(f"postgres {self.host}/{database or self.database}: {text}") from None


class Session:
    """A connection and the few things done with it."""

    def __init__(self, connection: Any, user: str) -> None:
        self._connection, self.user = connection, user

    def run(self, statement: str, *names: str, **literals: Any) -> None:
        """Runs a statement whose `{}` are identifiers and whose `{name}` are literals."""
        from psycopg import sql

        identifiers = [sql.Identifier(name) for name in names]
        values = {name: sql.Literal(value) for name, value in literals.items()}
        self._connection.execute(sql.SQL(statement).format(*identifiers, **values))

    def row(self, query: str, *values: Any) -> Any:
        """Returns the first row, or None."""
        return self._connection.execute(query, values).fetchone()

    def rows(self, query: str, values: Any) -> list[Any]:
        """Returns all rows."""
        return list(self._connection.execute(query, values).fetchall())

    def transaction(self) -> Any:
        """What is done within happens whole or not at all."""
        return self._connection.transaction()

    @contextmanager
    def acting_as(self, role: str) -> Iterator[None]:
        """Makes the master a member of the role for a while, if it isn't one already."""
        if role == "pg_database_owner":  # owns the schema public and can have no members of its own
            role = self.row("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")[0]
        superuser, member = self.row(
            "SELECT rolsuper, pg_has_role(current_user, %s, 'USAGE') AND pg_has_role(current_user, %s, 'SET') "
            "FROM pg_roles WHERE rolname = current_user",
            role,
            role,
        )
        if superuser or member or role == self.user:
            yield
            return
        self.run("GRANT {} TO {}", role, self.user)
        try:
            yield
        finally:
            self.run("REVOKE {} FROM {}", role, self.user)


def _mark(session: Session, what: str, name: str, urn: str) -> None:
    session.run(f"COMMENT ON {what} {{}} IS {{urn}}", name, urn=urn)


def _owned(session: Session, what: str, name: str, urn: str, *, leftover: str = "") -> bool:
    """Whether this resource made it already. Raises ConflictError if it is someone else's.

    An unmarked database of the owner `leftover` is its own too: CREATE DATABASE and the mark can't be one.
    """
    query = {
        "ROLE": "SELECT shobj_description(oid, 'pg_authid'), '' FROM pg_roles WHERE rolname = %s",
        "DATABASE": "SELECT shobj_description(oid, 'pg_database'), pg_get_userbyid(datdba) "
        "FROM pg_database WHERE datname = %s",
    }[what]
    found = session.row(query, name)
    if found is not None and found[0] != urn and not (found[0] is None and leftover and found[1] == leftover):
        raise ConflictError(what.lower(), name, found[0])
    return found is not None


def _options(call: Call) -> str:
    """The role's options as SQL; those only a superuser may name are left out unless set."""
    words = []
    for key, (word, _) in FLAGS.items():
        value = call.inputs.get(key, key == "inherit")
        if key not in RESERVED or value or call.changed(key):
            words.append(word if value else f"NO{word}")
    return " ".join([*words, f"CONNECTION LIMIT {int(call.inputs.get('connectionLimit', -1))}"])


def _settings(call: Call, session: Session) -> None:
    name, inputs = call.inputs["name"], call.inputs
    if "password" in inputs and call.changed("password"):
        session.run("ALTER ROLE {} PASSWORD {password}", name, password=inputs["password"])
    if call.changed("statementTimeout"):
        milliseconds = str(inputs.get("statementTimeout", 0))
        session.run("ALTER ROLE {} SET statement_timeout = {value}", name, value=milliseconds)
    if call.changed("searchPaths"):
        paths = ", ".join(inputs.get("searchPaths", ["$user", "public"]))
        session.run("ALTER ROLE {} SET search_path = {value}", name, value=paths)
    wanted, had = inputs.get("roles", []), call.old.get("roles", [])
    for role in [role for role in wanted if role not in had]:
        session.run("GRANT {} TO {}", role, name)
    for role in [role for role in had if role not in wanted]:
        session.run("REVOKE {} FROM {}", role, name)


def _create_role(call: Call) -> tuple[str, Properties]:
    name = call.inputs["name"]
    with call.cloud.session() as session:
        mine = _owned(session, "ROLE", name, call.urn)
        with session.transaction():
            session.run(f"{'ALTER' if mine else 'CREATE'} ROLE {{}} {_options(call)}", name)
            _mark(session, "ROLE", name, call.urn)
            _settings(call, session)
    return name, {}


def _update_role(call: Call) -> Properties:
    with call.cloud.session() as session, session.transaction():
        session.run("ALTER ROLE {} " + _options(call), call.id)
        _settings(call, session)
    return {}


def _read_role(call: Call) -> Properties | None:
    columns = ", ".join(column for _, column in FLAGS.values())
    query = f"SELECT rolconnlimit, rolconfig, {columns} FROM pg_roles WHERE rolname = %s"  # noqa: S608
    members = (
        "SELECT array_agg(g.rolname::text) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid "
        "JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = %s"
    )
    with call.cloud.session() as session:
        found, roles = session.row(query, call.id), session.row(members, call.id)
    if found is None:
        return None
    settings = dict(entry.split("=", 1) for entry in found[1] or [])
    seen = {"name": call.id, "connectionLimit": found[0], **dict(zip(FLAGS, found[2:], strict=True))}
    if "statementTimeout" in call.inputs:
        seen["statementTimeout"] = int(settings.get("statement_timeout", 0))
    return {**seen, "roles": roles[0] or []}


def _delete_role(call: Call) -> None:
    with call.cloud.session() as session:
        if session.row("SELECT 1 FROM pg_roles WHERE rolname = %s", call.id) is None:
            return
        if not call.inputs.get("skipDropRole"):
            if not call.inputs.get("skipReassignOwned"):
                with session.acting_as(call.id):
                    session.run("REASSIGN OWNED BY {} TO {}", call.id, session.user)
                    session.run("DROP OWNED BY {}", call.id)
            session.run("DROP ROLE {}", call.id)


def _create_database(call: Call) -> tuple[str, Properties]:
    inputs = call.inputs
    name, owner = inputs["name"], inputs.get("owner", call.cloud.user)
    with call.cloud.session() as session:
        leftover = owner if owner != session.user else ""
        with session.acting_as(owner):
            if not _owned(session, "DATABASE", name, call.urn, leftover=leftover):
                options = " ENCODING {encoding} TEMPLATE template0" if "encoding" in inputs else ""
                session.run("CREATE DATABASE {} OWNER {}" + options, name, owner, encoding=inputs.get("encoding"))
            _mark(session, "DATABASE", name, call.urn)
    call.id = name
    return name, _update_database(call)


def _update_database(call: Call) -> Properties:
    owner = call.inputs.get("owner", call.cloud.user)
    with call.cloud.session() as session:
        current = session.row("SELECT datdba::regrole::text FROM pg_database WHERE datname = %s", call.id)[0]
        with session.acting_as(current), session.acting_as(owner):
            session.run("ALTER DATABASE {} OWNER TO {}", call.id, owner)
            limit = int(call.inputs.get("connectionLimit", -1))
            session.run(f"ALTER DATABASE {{}} CONNECTION LIMIT {limit}", call.id)
    return {"owner": owner}


def _read_database(call: Call) -> Properties | None:
    query = (
        "SELECT pg_get_userbyid(datdba), datconnlimit, pg_encoding_to_char(encoding) "
        "FROM pg_database WHERE datname = %s"
    )
    with call.cloud.session() as session:
        found = session.row(query, call.id)
    return found and {
        "name": call.id,
        **dict(zip(("owner", "connectionLimit", "encoding"), found, strict=True)),
    }


def _delete_database(call: Call) -> None:
    with call.cloud.session() as session:
        found = session.row("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", call.id)
        if found:
            with session.acting_as(found[0]):
                session.run("DROP DATABASE {} WITH (FORCE)", call.id)


def _create_schema(call: Call) -> tuple[str, Properties]:
    inputs, server = call.inputs, call.cloud
    name, database = inputs["name"], inputs.get("database", server.database)
    owner = inputs.get("owner", server.user)
    with server.session(database) as session:
        holder = session.row("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", database)[0]
        with session.acting_as(holder), session.acting_as(owner):
            session.run("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}", name, owner)
    return f"{database}.{name}", {"database": database, "owner": owner}


def _read_schema(call: Call) -> Properties | None:
    database, name = call.id.split(".", 1)
    with call.cloud.session(database) as session:
        found = session.row("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s", name)
    return found and {"name": name, "database": database, "owner": found[0]}


def _update_schema(call: Call) -> Properties:
    database, name = call.id.split(".", 1)
    owner = call.inputs.get("owner", call.cloud.user)
    with call.cloud.session(database) as session:
        held = session.row("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s", name)[0]
        with session.acting_as(held), session.acting_as(owner):
            session.run("ALTER SCHEMA {} OWNER TO {}", name, owner)
    return {"owner": owner}


def _delete_schema(call: Call) -> None:
    database, name = call.id.split(".", 1)
    with call.cloud.session(database) as session:
        found = session.row("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s", name)
        if found:
            with session.acting_as(found[0]):
                cascade = " CASCADE" if call.inputs.get("dropCascade") else ""
                session.run("DROP SCHEMA {}" + cascade, name)


KINDS = (
    Kind(
        type="postgresql:index/role:Role",
        name="name",
        replace=("name",),
        hidden=("password",),
        create=_create_role,
        read=_read_role,
        update=_update_role,
        delete=_delete_role,
    ),
    Kind(
        type="postgresql:index/database:Database",
        outputs=("owner",),
        name="name",
        replace=("name", "encoding", "template"),
        create=_create_database,
        read=_read_database,
        update=_update_database,
        delete=_delete_database,
    ),
    Kind(
        type="postgresql:index/schema:Schema",
        outputs=("database", "owner"),
        name="name",
        replace=("name", "database"),
        create=_create_schema,
        read=_read_schema,
        update=_update_schema,
        delete=_delete_schema,
    ),
    *grants.KINDS,
)

PACKAGE = Package(name="postgresql", kinds={kind.type: kind for kind in KINDS}, connect=Server)
