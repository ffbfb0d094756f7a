"""Check calls, values and schedules, and collect all problems."""
