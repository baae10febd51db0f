"""What every step runs on: settings, logging, workers, seeds."""
