"""How much longer a preview of 100 resources takes than an empty program's, through the stand-ins.

`python bench/preview_100.py [RUNS]` makes a project with its own home and state in a temporary folder, previews both
programs in turn and prints the medians and their ratio. Exits 1 above the limit.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 2.5
SHORTENED = "import infra.quick_sdk\nimport pulumi\n"  # as the product's own program begins
EMPTY = "import pulumi\n"
HUNDRED = """
import json
from pulumi_aws import Provider, cloudwatch, iam, kms, s3, secretsmanager, ssm
opts = pulumi.ResourceOptions(provider=Provider("aws", region="eu-central-1", skip_credentials_validation=True))
for n in range(9):
    bucket = s3.Bucket(f"bucket-{n}", opts=opts)
    s3.BucketPolicy(f"policy-{n}", bucket=bucket.bucket, policy=json.dumps({"Version": "2012-10-17"}), opts=opts)
    s3.BucketPublicAccessBlock(f"private-{n}", bucket=bucket.bucket, block_public_acls=True, opts=opts)
    s3.BucketVersioning(f"versions-{n}", bucket=bucket.bucket, opts=opts,
        versioning_configuration={"status": "Enabled"})
    s3.BucketLifecycleConfiguration(f"lifecycle-{n}", bucket=bucket.bucket, opts=opts,
        rules=[{"id": "retention", "status": "Enabled", "expiration": {"days": 30}}])
    key = kms.Key(f"key-{n}", enable_key_rotation=True, opts=opts)
    secret = secretsmanager.Secret(f"secret-{n}", kms_key_id=key.arn, opts=opts)
    secretsmanager.SecretVersion(f"value-{n}", secret_id=secret.id, secret_string="x", opts=opts)
    role = iam.Role(f"role-{n}", assume_role_policy=json.dumps({"Version": "2012-10-17"}), opts=opts)
    iam.RolePolicy(f"may-{n}", role=role.id, policy=bucket.arn.apply(lambda arn: json.dumps({"r": arn})), opts=opts)
    ssm.Parameter(f"flag-{n}", type="String", value="on", opts=opts)
cloudwatch.LogGroup("log", retention_in_days=30, opts=opts)
"""


def prepare(folder: Path) -> dict[str, str]:
    """Returns the environment of a project in the folder, its stand-ins installed."""
    home, script = folder / "home", folder / "plugin" / "pulumi-resource-aws"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m offline.standins aws "$@"\n')
    script.chmod(0o755)
    (folder / "state").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_PYTHON_CMD": sys.executable,
        "PYTHONPATH": str(ROOT),
    }
    sys.path.insert(0, str(ROOT))
    from offline.standins.protocol import version_of

    install = [
        "pulumi",
        "plugin",
        "install",
        "resource",
        "aws",
        version_of("aws"),
        "--file",
        str(script.parent),
    ]
    subprocess.run(install, env=environment, check=True, capture_output=True)
    for name, program in (("empty", EMPTY), ("hundred", SHORTENED + HUNDRED)):
        project = folder / name
        project.mkdir()
        (project / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n")
        (project / "__main__.py").write_text(program)
        subprocess.run(
            ["pulumi", "stack", "init", "bench"],
            cwd=project,
            env=environment,
            check=True,
            capture_output=True,
        )
    return environment


def preview(project: Path, environment: dict[str, str], expected: str) -> float:
    """Returns the seconds that a preview takes. Exits with what it said if it isn't the one expected."""
    begin = time.perf_counter()
    done = subprocess.run(["pulumi", "preview"], cwd=project, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode != 0 or expected not in done.stdout:
        sys.exit(f"the preview of {project.name} failed:\n{done.stdout}{done.stderr}")
    return seconds


def main() -> None:
    """Prints the medians and their ratio."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = prepare(folder)
        times: dict[str, list[float]] = {"empty": [], "hundred": []}
        for _ in range(runs + 1):
            times["empty"].append(preview(folder / "empty", environment, "1 to create"))
            times["hundred"].append(preview(folder / "hundred", environment, "102 to create"))
        empty, hundred = (statistics.median(taken[1:]) for taken in times.values())  # the first run warms up
    ratio = hundred / empty
    print(f"preview of 100 resources {hundred:.2f} s, of none {empty:.2f} s: ratio {ratio:.2f}, limit {LIMIT}")
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()
