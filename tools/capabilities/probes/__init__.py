"""One file a column, each with a function from a subject to the cell."""
