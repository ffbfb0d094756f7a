"""Pictures of schedules: one palette, one shading of phases."""
