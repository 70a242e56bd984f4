"""`kill -9` at any moment loses nothing."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_rendering_killed_at_any_file_operation_resumes_bit_for_bit(tmp_path):
    """Frames, film and losses are those of an uninterrupted run (every 11th operation; run the driver for all)."""
    driver = Path(__file__).with_name("kill_driver.py")
    done = subprocess.run([sys.executable, driver, tmp_path, "11"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("same") >= 5
    assert "survived" in done.stdout
