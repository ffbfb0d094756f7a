"""What a checkpoint holds besides weights: the specs (`stamp`), the evaluated weights, and when it may be resumed."""
