"""Findings handed to who watches the network: sent to a collector on request, or put away as signed evidence."""
