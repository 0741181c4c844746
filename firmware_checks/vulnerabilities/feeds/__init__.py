"""One file for each format of vulnerability data that can be imported."""
