"""The command `cutover bootstrap`."""

from __future__ import annotations

from typing import Annotated

import typer

from cutover.commands.command import Command, verbatim

VARIABLES = {f"{role.upper()}_ROLE": role for role in ("preview", "drift", "release", "deploy", "rollback")}
"""Those of the repository at GitHub that the workflows read, and the role that each names."""


def add_to(app: typer.Typer) -> None:
    """Adds `bootstrap` to the command line."""
    app.command(cls=Command, epilog=verbatim("Example", "cutover bootstrap --preview"))(bootstrap)


def bootstrap(
    preview: Annotated[bool, typer.Option("--preview", help="say what it would change, and change nothing")] = False,
) -> None:
    """Make what an account on AWS has before any stack: the states' bucket, their key, the roles.

    The first step of a first day, once in an account; typed again it changes what has changed in bootstrap/. It reads
    bootstrap/Pulumi.account.yaml, and prints what the next steps need.
    """
    from cutover.prerequisites.bootstrap import COPY, AccountFile, Bootstrap

    account = Bootstrap.of(AccountFile.read())
    if preview:
        account.preview()
        print("  nothing was changed; cutover bootstrap makes it")
        return
    made = account.up()
    print(f"  its own state is in {account.home}, with a copy in s3://{account.bucket}/{COPY}")
    print("  in each shell, and as a variable of the repository at GitHub:")
    print(f"  export PULUMI_BACKEND_URL='{made['backend']}'")
    for variable, role in VARIABLES.items():
        print(f"  {variable}={made['roles'][role]}")
    repository = account.told.repository
    print(f"  runs of repo:{repository} at GitHub take the roles on, as their tokens name it")
    if "@" not in repository:
        print(
            "  note     made, renamed or transferred after 15 July 2026 it has ids there; then name it as this prints:"
        )
        print(f"""           gh api repos/{repository} --jq '"\\(.owner.login)@\\(.owner.id)/\\(.name)@\\(.id)"'""")
    print("  in each stack's file, with your own roles beside:")
    print(f"  web-next:operatorRoles: [{', '.join(made['operators'])}]")
    print("  once for each stack, then commit its file:")
    print(f"  pulumi stack init prod --secrets-provider '{made['secrets_provider']}'")
