"""Write specs and evaluated weights into checkpoints, and decide whether one can be resumed."""
