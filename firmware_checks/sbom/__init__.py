"""Bills of materials that somebody else has made: read strictly, judged for what they lack, and assessed."""
