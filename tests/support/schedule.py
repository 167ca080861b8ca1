"""What one worker runs in one go, and what starts first: the longest, which mostly wait while the rest runs."""

from __future__ import annotations

GROUPS = (
    (
        "e2e/test_playbook",
        "e2e/test_console",
        "e2e/test_data_layer",
        "e2e/test_networks",
        "e2e/test_signals",
        "e2e/test_exports",
        "e2e/test_candidate",
        "e2e/test_faults",
        "e2e/test_drill",
        "e2e/test_smoke_red",
        "e2e/test_outside",
    ),
    ("e2e/test_verdict",),
    ("e2e/test_rollback",),
    ("e2e/test_second_clone",),
    ("engine/test_gates_counting",),
    ("engine/test_emulator",),
    ("engine/test_webnext_alerts_faults",),
    ("engine/test_webnext_audit_faults",),
    ("engine/test_webnext_failover",),
    ("engine/test_edge_lines",),
    ("browser/test_trace_copy",),
    ("engine/test_webnext_alerts_pace",),
    ("engine/test_webnext_alerts",),
    ("engine/test_guard",),
    ("browser/test_dashboard_polling",),
    ("engine/test_webnext_alerts_node",),
    ("engine/test_webnext_executor",),
    ("engine/test_edge_limit",),
    ("engine/test_standin_network",),
    ("browser/test_dashboard_panels",),
    ("engine/test_standin_docker",),
    ("engine/test_standin_databases",),
    ("browser/test_dashboard_access",),
    ("engine/test_webnext_audit",),
    (
        "engine/test_migrator",
        "engine/test_migrator_indexes",
        "engine/test_migrator_waits",
        "engine/test_migrator_audit",
        "engine/test_migrator_audit_months",
        "engine/test_migrator_command",
        "engine/test_upkeep",
        "engine/test_webnext_executor_postgres",
    ),
)
"""Files that share what is costly to make. A file that is not named is a group of its own and comes after these."""
FILES = [f"tests/{file}.py" for group in GROUPS for file in group]
GROUP_OF = {f"tests/{file}.py": group[0] for group in GROUPS for file in group}


def group(nodeid: str) -> str:
    """The group of a test."""
    file = nodeid.partition("::")[0]
    return GROUP_OF.get(file, file)


def place(nodeid: str) -> int:
    """Where a test's file comes, from 0."""
    file = nodeid.partition("::")[0]
    return FILES.index(file) if file in GROUP_OF else len(FILES)
