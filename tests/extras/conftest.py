"""Tests of what needs a large package. They are collected where it is installed.

``make test EXTRAS=1`` installs all of them and sets EXTRAS: then nothing is left out, so that a
package that is missing there is a failure.
"""

import os
from importlib.util import find_spec

NEEDS = {"test_tensorflow_loop.py": "tensorflow",
         "test_efficientnet.py": "efficientnet_lite_pytorch"}
collect_ignore = [file for file, package in NEEDS.items()
                  if not os.environ.get("EXTRAS") and find_spec(package) is None]
