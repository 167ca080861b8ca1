"""The extensions of the postgresql package."""

from __future__ import annotations

from offline.standins.kind import Call, Kind, Properties


def _create(call: Call) -> tuple[str, Properties]:
    """An extension that is there already is taken over: a database has one of each."""
    inputs = call.inputs
    name, database = inputs["name"], inputs.get("database", call.cloud.database)
    call.id = f"{database}.{name}"
    seen = _read(call)
    if seen is None:
        schema = (inputs["schema"],) if "schema" in inputs else ()
        options = " SCHEMA {}" * len(schema) + " VERSION {version}" * ("version" in inputs)
        cascade = " CASCADE" if inputs.get("createCascade") else ""
        with call.cloud.session(database) as session, session.acting_as("pg_database_owner"):
            statement = "CREATE EXTENSION IF NOT EXISTS {}" + options + cascade
            session.run(statement, name, *schema, version=inputs.get("version"))
        seen = _read(call)
    return call.id, seen or {}


def _read(call: Call) -> Properties | None:
    database, name = call.id.split(".", 1)
    with call.cloud.session() as session:
        if session.row("SELECT 1 FROM pg_database WHERE datname = %s", database) is None:
            return None
    query = (
        "SELECT extversion, nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = %s"
    )
    with call.cloud.session(database) as session:
        found = session.row(query, name)
    return found and {"name": name, "database": database, "version": found[0], "schema": found[1]}


def _update(call: Call) -> Properties:
    database, name = call.id.split(".", 1)
    inputs = call.inputs
    with call.cloud.session(database) as session:
        owner = session.row("SELECT pg_get_userbyid(extowner) FROM pg_extension WHERE extname = %s", name)[0]
        with session.acting_as(owner):
            if call.changed("version") and "version" in inputs:
                session.run("ALTER EXTENSION {} UPDATE TO {version}", name, version=inputs["version"])
            if call.changed("schema") and "schema" in inputs:
                session.run("ALTER EXTENSION {} SET SCHEMA {}", name, inputs["schema"])
    return _read(call) or {}


def _delete(call: Call) -> None:
    """Drops the extension, unless it is the server's own: what its superuser made, the master cannot drop."""
    database, name = call.id.split(".", 1)
    if _read(call) is None:
        return
    cascade = " CASCADE" if call.inputs.get("dropCascade") else ""
    with call.cloud.session(database) as session:
        owner = session.row("SELECT pg_get_userbyid(extowner) FROM pg_extension WHERE extname = %s", name)[0]
        if any(session.standing(owner)):
            with session.acting_as(owner):
                session.run("DROP EXTENSION {}" + cascade, name)


KINDS = (
    Kind(
        type="postgresql:index/extension:Extension",
        outputs=("database", "schema", "version"),
        name="name",
        replace=("name", "database"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
    ),
)
