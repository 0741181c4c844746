"""The questions that a review of an update answers, and the reasons it gives."""
