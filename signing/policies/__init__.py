"""Which algorithms may be used, as data: one file a policy; found by folder."""
