"""The form in which makers tell hospitals about security (MDS2), held against profile and scan."""
