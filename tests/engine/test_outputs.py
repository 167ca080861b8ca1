"""A stack's outputs by Pulumi's own CLI: secrets masked, and what it refuses told as an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cutover.errors import NotPreparedError, StackMissingError
from cutover.stacks import outputs
from cutover.stacks import project as project_module

if TYPE_CHECKING:
    from tests.support.engine import Project


pytestmark = pytest.mark.engine

PROGRAM = "import pulumi; pulumi.export('plain', {'n': 1}); pulumi.export('hidden', pulumi.Output.secret('s3cret'))"


@pytest.fixture
def ours(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The test's project in place of this one, in its environment; its stack is called test."""
    for module in (outputs, project_module):
        monkeypatch.setattr(module, "PROJECT", project.folder)
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    project.run("config", "set", "web-next:runtime", "docker")
    return project


def test_secrets_are_masked_unless_asked_for(ours: Project) -> None:
    ours.write(PROGRAM)
    ours.up()

    assert outputs.outputs("test").values == {"plain": {"n": 1}, "hidden": "[secret]"}
    assert outputs.outputs("test", show_secrets=True).values == {"plain": {"n": 1}, "hidden": "s3cret"}


def test_a_wrong_passphrase_is_said_in_a_line(ours: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.write(PROGRAM)
    ours.up()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")

    with pytest.raises(NotPreparedError, match="stack test cannot be decrypted: the passphrase is not the one"):
        outputs.outputs("test", show_secrets=True)


def test_a_stack_that_was_never_brought_up_and_one_that_is_not_there_are_told_apart(ours: Project) -> None:
    with pytest.raises(StackMissingError, match="stack test has no outputs: bring it up first"):
        outputs.outputs("test")

    (ours.folder / "Pulumi.other.yaml").write_text("config: {web-next:runtime: docker}\n")
    with pytest.raises(StackMissingError, match="stack other does not exist here: bring it up first"):
        outputs.outputs("other")
