"""Drive our update rules: bucket parameters, cache the buckets, compile the rules, keep the state."""
