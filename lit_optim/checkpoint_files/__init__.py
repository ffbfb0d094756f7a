"""Write checkpoint files that are whole or absent, verify them, and find the one to resume from."""
