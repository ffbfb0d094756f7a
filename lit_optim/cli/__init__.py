"""Implements the console command ``lit-optim``: one verb per file, with its arguments, its data and its layout."""
