"""Lightning callbacks, one a file: when to act. The mathematics is elsewhere, in pure functions."""
