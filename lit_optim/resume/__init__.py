"""Go on with a run: what wins, the checkpoint or the configuration, and where its schedule stands."""
