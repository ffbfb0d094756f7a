"""The same computations in NumPy and float64, from the papers; they share no code with lit_optim."""
