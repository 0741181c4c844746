"""What several formats read alike: records, archives, compressed streams, binaries, trailers."""
