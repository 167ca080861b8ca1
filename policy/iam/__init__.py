"""IAM's evaluation of policies, as AWS documents it: pure functions of a request and the policies that apply to it.

What this knows is what the project's policies use. Anything else raises PolicyError: it never passes unread.
"""

from policy.iam.conditions import PolicyError
from policy.iam.decision import Decision, decide
from policy.iam.document import Policy
from policy.iam.request import Principal, Request

__all__ = ["Decision", "Policy", "PolicyError", "Principal", "Request", "decide"]
