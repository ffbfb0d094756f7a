"""The curves that a training would follow, computed without torch and without a run."""
