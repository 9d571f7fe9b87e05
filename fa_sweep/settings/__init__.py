"""What a run is: its settings, which of them go together, and the run's id."""
