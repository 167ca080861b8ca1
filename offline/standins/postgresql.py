"""The postgresql package: roles, databases, schemas, extensions and grants, watched through the catalogs."""

from __future__ import annotations

from offline.standins import extensions, grants
from offline.standins.kind import Call, ConflictError, Kind, Package, Properties
from offline.standins.server import Server, Session

FLAGS = {
    "login": ("LOGIN", "rolcanlogin"),
    "createDatabase": ("CREATEDB", "rolcreatedb"),
    "createRole": ("CREATEROLE", "rolcreaterole"),
    "inherit": ("INHERIT", "rolinherit"),
    "replication": ("REPLICATION", "rolreplication"),
    "bypassRowLevelSecurity": ("BYPASSRLS", "rolbypassrls"),
    "superuser": ("SUPERUSER", "rolsuper"),
}
TIMEOUTS = {  # milliseconds
    "statementTimeout": "statement_timeout",
    "idleInTransactionSessionTimeout": "idle_in_transaction_session_timeout",
}
LOCALE = {"encoding": "ENCODING", "lcCollate": "LC_COLLATE", "lcCtype": "LC_CTYPE"}
RESERVED = ("superuser", "replication", "bypassRowLevelSecurity")  # only a superuser may even name these


def _mark(session: Session, what: str, name: str, urn: str) -> None:
    session.run(f"COMMENT ON {what} {{}} IS {{urn}}", name, urn=urn)


_MARKS = {
    "ROLE": "SELECT shobj_description(oid, 'pg_authid'), '' FROM pg_roles WHERE rolname = %s",
    "DATABASE": "SELECT shobj_description(oid, 'pg_database'), pg_get_userbyid(datdba) "
    "FROM pg_database WHERE datname = %s",
}
"""Finds the mark and the owner of an object."""


def _owned(session: Session, what: str, name: str, urn: str, *, leftover: str = "") -> bool:
    """Whether this resource made it already. Raises ConflictError if it is someone else's.

    An unmarked database of the owner `leftover` is its own too: CREATE DATABASE and the mark can't be one.
    """
    found = session.row(_MARKS[what], name)
    if found is not None and found[0] != urn and not (found[0] is None and leftover and found[1] == leftover):
        raise ConflictError(what.lower(), name, found[0])
    return found is not None


def _gone(session: Session, what: str, call: Call) -> bool:
    """Whether there is nothing of this resource's to delete: the object is gone, or another resource has the name."""
    found = session.row(_MARKS[what], call.id)
    return found is None or found[0] not in (None, call.urn)


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
    for key, setting in TIMEOUTS.items():
        if call.changed(key) and inputs.get(key):
            session.run(f"ALTER ROLE {{}} SET {setting} = {{value}}", name, value=str(inputs[key]))
        elif call.changed(key):
            session.run(f"ALTER ROLE {{}} RESET {setting}", name)
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
    timeouts = {key: settings.get(setting, 0) for key, setting in TIMEOUTS.items()}
    return {**seen, **timeouts, "roles": roles[0] or []}


def _delete_role(call: Call) -> None:
    with call.cloud.session() as session:
        if _gone(session, "ROLE", call):
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
                given = {key: inputs[key] for key in LOCALE if key in inputs}
                options = [f"{LOCALE[key]} {{{key}}}" for key in given] + ["TEMPLATE template0"] * bool(given)
                session.run(" ".join(["CREATE DATABASE {} OWNER {}", *options]), name, owner, **given)
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
        "SELECT pg_get_userbyid(datdba), datconnlimit, pg_encoding_to_char(encoding), datcollate, datctype "
        "FROM pg_database WHERE datname = %s"
    )
    with call.cloud.session() as session:
        found = session.row(query, call.id)
    return found and {
        "name": call.id,
        **dict(zip(("owner", "connectionLimit", *LOCALE), found, strict=True)),
    }


def _delete_database(call: Call) -> None:
    with call.cloud.session() as session:
        if _gone(session, "DATABASE", call):
            return
        with session.acting_as(session.row(_MARKS["DATABASE"], call.id)[1]):
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
        replace=("name", *LOCALE, "template"),
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
    *extensions.KINDS,
    *grants.KINDS,
)

PACKAGE = Package(name="postgresql", kinds={kind.type: kind for kind in KINDS}, connect=Server)
