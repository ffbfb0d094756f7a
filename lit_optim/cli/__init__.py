"""Implements the console command ``lit-optim``: one verb a file, with its arguments, its data and its layout."""
