"""The words for what happens: to a caller who misses, and to a flight."""

from __future__ import annotations

LEAD = "lead"
"""Load, and give the value to those who follow."""
FOLLOW = "follow"
"""Wait for what the leader brings."""
ALONE = "alone"
"""Load for oneself and store nothing, since waiting might last for ever."""

FLYING = "flying"
LANDED = "landed"
FAILED = "failed"
ABANDONED = "abandoned"
"""The states of a flight: on its way, ended with a value, with an error, or without a leader."""

ERROR = "error"
"""The cause of a miss whose value was there but could not be read."""
