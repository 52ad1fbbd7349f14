"""What directions do: edits, their scores, effects, calibration."""
