"""The example application: data, networks and modules, and how a config becomes a run."""
