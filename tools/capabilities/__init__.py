"""What each optimizer can do, found out by trying: one probe a column of the capability table.

``make capabilities`` runs them all and writes the table that is shipped and the one in docs/optimizers.md;
``test_capabilities.py`` runs them again and compares.
"""
