"""What a request says to the edge for one track to answer it, uncounted, and what the answer says of who did."""

from __future__ import annotations

USER_AGENT = "web-next-smoke"
"""Whose begins so is counted as smoke."""
TRACK_HEADER = "X-Web-Next-Track"
"""Asks the edge for one track, whatever the weight; it listens to trusted callers only."""
ANSWERED_BY_TRACK, ANSWERED_BY_EDGE = "x-edge-track", "x-edge-id"
"""In every answer of an edge: the track that was asked, and which nginx it was."""
