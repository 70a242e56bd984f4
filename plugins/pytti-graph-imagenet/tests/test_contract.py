"""The nodes of this plugin keep the contract of all nodes."""

import pytest

from pytti_graph.testing import contract

pytestmark = pytest.mark.slow

test_contract = contract("pytti-graph-imagenet")
