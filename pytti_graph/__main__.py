"""`python -m pytti_graph`."""

from pytti_graph.cli.main import main

main()
