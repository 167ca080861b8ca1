"""The grants of the postgresql package: rights on objects, rights on objects to come, and memberships."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from offline.standins.kind import Call, Kind, Properties, StandinError

# object type: catalog, prefix of its columns, letter of its default rights, which rows are meant
_IN_SCHEMA = "{0}namespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)"
_NAMED = " AND (%(all)s OR {0}name = ANY(%(names)s))"
CATALOGS = {
    "database": ("pg_database", "dat", "d", "datname = %(database)s"),
    "schema": ("pg_namespace", "nsp", "n", "nspname = %(schema)s"),
    "table": ("pg_class", "rel", "r", "relkind = ANY('{{r,v,m,p,f}}') AND " + _IN_SCHEMA + _NAMED),
    "sequence": ("pg_class", "rel", "s", "relkind = 'S' AND " + _IN_SCHEMA + _NAMED),
    "function": ("pg_proc", "pro", "f", _IN_SCHEMA + _NAMED),
}
DEFAULT_TYPES = {"table": "r", "sequence": "S", "function": "f", "type": "T", "schema": "n"}


def _privileges(call: Call) -> list[str]:
    given = [str(name).upper() for name in call.inputs["privileges"]]
    if "ALL" in given:
        raise StandinError("privileges say ALL; the stand-in compares them one by one: name each privilege")
    return given


def _grantee(role: str) -> tuple[str, tuple[str, ...]]:
    return ("PUBLIC", ()) if role.lower() == "public" else ("{}", (role,))


def _objects(session: Any, inputs: Properties) -> list[tuple[str, list[str]]]:
    """Returns (owner, what the role holds with a * for the grant option) of each object meant."""
    if inputs["objectType"] not in CATALOGS:
        raise StandinError(f"objectType is {inputs['objectType']!r}; the stand-in grants on {', '.join(CATALOGS)}")
    catalog, prefix, default, meant = CATALOGS[inputs["objectType"]]
    owner = "datdba" if catalog == "pg_database" else f"{prefix}owner"
    query = f"""
        SELECT pg_get_userbyid({owner}), ARRAY(
            SELECT privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END
            FROM aclexplode(coalesce({prefix}acl, acldefault('{default}', {owner})))
            WHERE grantee = CASE WHEN lower(%(role)s) = 'public' THEN 0
                            ELSE (SELECT oid FROM pg_roles WHERE rolname = %(role)s) END)
        FROM {catalog} WHERE {meant.format(prefix)}"""  # noqa: S608 (only constants of this module)
    names = inputs.get("objects", [])
    return list(session.rows(query, {"schema": "public", **inputs, "all": not names, "names": names}))


def _target(inputs: Properties) -> tuple[str, tuple[str, ...]]:
    kind, names = inputs["objectType"], inputs.get("objects", [])
    if kind == "database":
        return "DATABASE {}", (inputs["database"],)
    if kind == "schema":
        return "SCHEMA {}", (inputs["schema"],)
    if not names:
        return f"ALL {kind.upper()}S IN SCHEMA {{}}", (inputs["schema"],)
    listed = ", ".join("{}.{}" for _ in names)
    return f"{kind.upper()} {listed}", tuple(part for name in names for part in (inputs["schema"], name))


def _write(call: Call, privileges: list[str]) -> None:
    inputs = call.inputs
    target, names = _target(inputs)
    grantee, role = _grantee(inputs["role"])
    with call.cloud.session(inputs["database"]) as session, ExitStack() as owners:
        for owner in sorted({owner for owner, _ in _objects(session, inputs)}):
            owners.enter_context(session.acting_as(owner))
        with session.transaction():
            session.run(f"REVOKE ALL ON {target} FROM {grantee}", *names, *role)
            if privileges:
                option = " WITH GRANT OPTION" if inputs.get("withGrantOption") else ""
                session.run(f"GRANT {', '.join(privileges)} ON {target} TO {grantee}{option}", *names, *role)


def _create_grant(call: Call) -> tuple[str, Properties]:
    inputs = call.inputs
    _write(call, _privileges(call))
    parts = (inputs[key] for key in ("role", "database", "schema", "objectType") if key in inputs)
    return "_".join([*parts, *inputs.get("objects", [])]), {}


def _update_grant(call: Call) -> Properties:
    _write(call, _privileges(call))
    return {}


def _read_grant(call: Call) -> Properties | None:
    inputs = call.inputs
    with call.cloud.session() as session:
        known = session.row("SELECT 1 FROM pg_database WHERE datname = %s", inputs["database"])
    if known is None:
        return None
    with call.cloud.session(inputs["database"]) as session:
        objects = _objects(session, inputs)
    if not objects:
        return None if inputs.get("objects") or inputs["objectType"] in ("database", "schema") else {}
    held = [{privilege.rstrip("*") for privilege in acl} for _, acl in objects]
    spelled = {"TEMPORARY": "TEMP"} if "TEMP" in inputs["privileges"] else {}
    everywhere = sorted(spelled.get(name, name) for name in set.intersection(*held))
    if not everywhere and inputs["privileges"]:
        return None
    grantable = all(privilege.endswith("*") for _, acl in objects for privilege in acl)
    return {"privileges": everywhere, "withGrantOption": grantable}


def _delete_grant(call: Call) -> None:
    with call.cloud.session() as session:
        role = call.inputs["role"]
        known = session.row("SELECT 1 FROM pg_database WHERE datname = %s", call.inputs["database"])
        if known is None or (role != "public" and not session.row("SELECT 1 FROM pg_roles WHERE rolname = %s", role)):
            return
    _write(call, [])


def _default(call: Call, privileges: list[str]) -> Properties:
    inputs = call.inputs
    grantee, role = _grantee(inputs["role"])
    where, schema = (" IN SCHEMA {}", (inputs["schema"],)) if inputs.get("schema") else ("", ())
    head = f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}}{where}"
    plural = f"{inputs['objectType'].upper()}S"
    names = (inputs["owner"], *schema, *role)
    with (
        call.cloud.session(inputs["database"]) as session,
        session.acting_as(inputs["owner"]),
        session.transaction(),
    ):
        session.run(f"{head} REVOKE ALL ON {plural} FROM {grantee}", *names)
        if privileges:
            option = " WITH GRANT OPTION" if inputs.get("withGrantOption") else ""
            session.run(f"{head} GRANT {', '.join(privileges)} ON {plural} TO {grantee}{option}", *names)
    return {}


def _create_default(call: Call) -> tuple[str, Properties]:
    inputs = call.inputs
    _default(call, _privileges(call))
    keys = ("role", "database", "schema", "owner", "objectType")
    return "_".join(inputs[key] for key in keys if inputs.get(key)), {}


def _read_default(call: Call) -> Properties | None:
    inputs = call.inputs
    query = (
        "SELECT a.privilege_type FROM pg_default_acl d, aclexplode(d.defaclacl) a "
        "LEFT JOIN pg_roles g ON g.oid = a.grantee WHERE pg_get_userbyid(d.defaclrole) = %s "
        "AND d.defaclnamespace = coalesce((SELECT oid FROM pg_namespace WHERE nspname = %s), 0) "
        "AND d.defaclobjtype = %s AND coalesce(g.rolname, 'public') = %s"
    )
    with call.cloud.session(inputs["database"]) as session:
        letter = DEFAULT_TYPES[inputs["objectType"]]
        rows = session.rows(query, (inputs["owner"], inputs.get("schema", ""), letter, inputs["role"]))
    held = sorted(row[0] for row in rows)
    return {"privileges": held} if held or not inputs["privileges"] else None


def _grant_role(call: Call) -> tuple[str, Properties]:
    granted, role = call.inputs["grantRole"], call.inputs["role"]
    option = " WITH ADMIN OPTION" if call.inputs.get("withAdminOption") else ""
    with call.cloud.session() as session:
        session.run("GRANT {} TO {}" + option, granted, role)
    return f"{role}_{granted}", {}


def _read_membership(call: Call) -> Properties | None:
    query = (
        "SELECT bool_or(admin_option) FROM pg_auth_members "
        "WHERE pg_get_userbyid(roleid) = %s AND pg_get_userbyid(member) = %s"
    )
    with call.cloud.session() as session:
        found = session.row(query, call.inputs["grantRole"], call.inputs["role"])[0]
    return None if found is None else {"withAdminOption": found}


def _revoke_role(call: Call) -> None:
    if _read_membership(call) is not None:
        with call.cloud.session() as session:
            session.run("REVOKE {} FROM {}", call.inputs["grantRole"], call.inputs["role"])


KINDS = (
    Kind(
        type="postgresql:index/grant:Grant",
        replace=("database", "objectType", "objects", "role", "schema", "columns"),
        delete_first=True,
        create=_create_grant,
        read=_read_grant,
        update=_update_grant,
        delete=_delete_grant,
    ),
    Kind(
        type="postgresql:index/defaultPrivileges:DefaultPrivileges",
        replace=("database", "objectType", "owner", "role", "schema"),
        delete_first=True,
        create=_create_default,
        read=_read_default,
        update=lambda call: _default(call, _privileges(call)),
        delete=lambda call: _default(call, []),
    ),
    Kind(
        type="postgresql:index/grantRole:GrantRole",
        replace=("grantRole", "role", "withAdminOption"),
        delete_first=True,
        create=_grant_role,
        read=_read_membership,
        delete=_revoke_role,
    ),
)
