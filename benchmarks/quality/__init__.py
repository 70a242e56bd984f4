"""Does it make better pictures, sooner? See `python -m benchmarks.quality --help`."""
