"""`python -m opsverify`: pytest with the same options, in which Ctrl-C is answered from the first import on.

The package, imported before this module, has seen to that.
"""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main())
