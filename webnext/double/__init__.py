"""A double of the executor, for local stacks: guardrails, strategies, audit proxy, evidence fallback; and of Slack."""
