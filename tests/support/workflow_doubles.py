"""Steps of the workflows run in a clone whose commands are doubles of AWS, GitHub and this project's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from tests.support import fence
from tests.support.workflows import ROOT, STEPS, Step

RUNS = [step for step in STEPS if step.run]
GIVEN = {
    "vars.PULUMI_BACKEND_URL": "s3://states",
    "matrix.stack": "prod",
    "inputs.stack": "prod",
    "inputs.reviewed": "36aae3baf49e956e",
    "inputs.verb": "staged",
    "inputs.why": "it's slow; $(touch stolen)",
    "inputs.version": "1.5.2",
    "github.actor": "ada",
    "github.token": "token",
    "github.sha": "9a8b7c6",
    "github.event.pull_request.number": "7",
    "github.event.pull_request.base.sha": "main",
    "needs.push.outputs.app": "registry/web-next-prod@sha256:" + "b" * 64,
    "needs.push.outputs.edge": "registry/web-next-prod-edge@sha256:" + "c" * 64,
}
"""What GitHub puts into the environment of a step."""
PYTHON = """\
#!/bin/sh
echo "$*" >>called
case "$*" in
  *images.build*) printf 'web-next  web-next-cutover:a sha256:1\\nnginx     web-next-cutover:n sha256:2\\n' ;;
  *'image push'*) printf '  web-next:image: %s\\n  web-next:edge:\\n    image: %s\\n' "$APP" "$EDGE_IMAGE" ;;
esac
"""
NONE: dict[str, Any] = {"imageScanFindings": {"findings": []}}
AWS = f"""\
#!{sys.executable}
import json, pathlib, sys, jmespath
with open("called", "a") as called:
    print("aws", " ".join(sys.argv[1:]).partition(" --output")[0], file=called)
if "--query" in sys.argv:
    answer = pathlib.Path("findings")
    found = jmespath.search(sys.argv[sys.argv.index("--query") + 1], json.loads(answer.read_text()))
    print("None" if found is None else "\\t".join(found))
"""
"""AWS' command line, which says of what is not there None in text."""


def clone(tmp_path: Path) -> Path:
    """A clone whose commands are doubles: they write down how they are called."""
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / ".github" / "steps", tmp_path / ".github" / "steps")
    doubles = {
        ".venv/bin/python": PYTHON,
        ".venv/bin/pip": '#!/bin/sh\necho "pip $*" >>called\n[ ! -e unreachable ]\n',
        **dict.fromkeys(("requirements.txt", ".venv/requirements.txt"), "boto3==1\n"),
        "bin/python3": '#!/bin/sh\necho "python3 $*" >>called\n',
        "bin/gh": '#!/bin/sh\necho "gh $*" >>called\ncase "$*" in *--paginate*) cat there 2>/dev/null ;; esac\n',
        "bin/aws": AWS,
        "bin/cutover": '#!/bin/sh\necho "cutover $*" >>called\n',
        "offline/bootstrap.sh": '#!/bin/sh\necho "bootstrap $*" >>called\n',
        "findings": json.dumps(NONE),
        ".local/env": 'PATH="$PWD/bin:$PATH"\n',
        ".local/review/prod.md": "<!-- cutover review prod -->\n**prod** nothing changes.\n",
    }
    for name, text in doubles.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(step: Step, clone: Path, errors: IO[str] | int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Runs a step as GitHub does, with what the doubles need beside."""
    beside = {"APP": GIVEN["needs.push.outputs.app"], "EDGE_IMAGE": GIVEN["needs.push.outputs.edge"]}
    environment = fence.ENVIRONMENT | {
        "PATH": f"{clone / 'bin'}:{os.environ['PATH']}",
        "HOME": str(clone),
        **beside,
        **step.environment(GIVEN),
    }
    command = (step.run or "").removeprefix("sudo ").removeprefix("-E ")
    return subprocess.run(
        ["/bin/sh", "-ec", command],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        check=False,
    )


def typed(clone: Path, *words: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    """Runs make as a person does."""
    environment = fence.ENVIRONMENT | {"PATH": f"{clone / 'bin'}:{path}", "HOME": str(clone)}
    return subprocess.run(["make", *words], cwd=clone, env=environment, capture_output=True, text=True, check=False)


def step_of(workflow: str, command: str) -> Step:
    return next(step for step in RUNS if step.workflow == workflow and step.run == command)
