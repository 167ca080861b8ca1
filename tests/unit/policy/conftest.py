from tests.unit.infra.conftest import _as_pulumi_runs_it

__all__ = ["_as_pulumi_runs_it"]
