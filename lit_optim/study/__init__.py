"""Holds the mathematics of a comparison of optimizers: what is tried, what is selected, what the results say.

Pure functions on numbers, without torch and Lightning: search spaces, quasi-random points, selection on validation,
targets, intervals, paired differences. The protocol follows AlgoPerf (Dahl et al. 2023, arXiv:2306.07179).
"""
