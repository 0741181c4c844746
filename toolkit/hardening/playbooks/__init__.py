"""What to do about a finding: who acts, who is told, and what others can look for."""
