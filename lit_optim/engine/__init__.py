"""The driver of our update rules: it buckets parameters, caches the buckets, compiles the rules, keeps the state."""
