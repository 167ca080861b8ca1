"""Where a release runs: `docker` on one machine, `fargate` on AWS."""
