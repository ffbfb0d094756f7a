"""Pure functions over recorded runs, without torch and Lightning."""
