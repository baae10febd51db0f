"""What all steps share: settings, logging, workers, seeds."""
