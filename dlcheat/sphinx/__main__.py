"""Build the book: ``python -m dlcheat.sphinx``."""

import sys

from dlcheat.sphinx.build import main

sys.exit(main())
