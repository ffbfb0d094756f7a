"""Whether a call, a value or a schedule is right: pure checks that collect all problems."""
