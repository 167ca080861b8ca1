"""The browser of the smoke suite and of the tests of the pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from offline.bootstrap import packages
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.machine import ROOT

FINDER = ROOT / "cutover" / "smoke" / "browser.py"
LOST = "until then the suite does not run TraceId copy, and a GO has that caveat"


class Browser(Step):
    """A Chromium or Chrome, wherever the suite finds one; Debian's package where there is none."""

    name = "browser"
    needs = ("packages",)
    optional = True

    def check(self) -> State:
        asked = subprocess.run([sys.executable, "-P", FINDER], capture_output=True, text=True, check=False)
        return State(asked.returncode == 0, (asked.stdout or asked.stderr).strip())

    def act(self, job: Job) -> str:
        if shutil.which("apt-get") is None:
            raise StepError(f"{self.check().what}; {LOST}")
        if os.geteuid() != 0:
            raise StepError(f"no browser, and installing one takes root: run `sudo apt-get install chromium`; {LOST}")
        job.say("installs chromium")
        try:
            packages.update(job)
            packages.install(job, "chromium")
        except StepError as error:
            raise StepError(f"{error}; {LOST}") from None
        return self.check().what
