"""Random changes to crops, so that a picture must mean the same however it is looked at."""
