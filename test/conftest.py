"""What holds for all folders of tests.

Calls on arrays of the host that name no target run on the interpreter, so that tests of Python's
own logic do not depend on what a target can lower; tests of a target name it. Set here, before
any folder imports the package, which reads the environment once.
"""

from __future__ import annotations

import os

os.environ.setdefault("QUADRILLE_INTERPRET", "1")
