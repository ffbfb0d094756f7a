"""`ScheduleLR` and what it drives: values of param groups on a schedule's clock."""
