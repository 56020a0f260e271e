"""Has three errors that mypy finds if, and only if, it sees the types of the package."""

import refold

length: int = refold.version()
refold.Client().get(length)
refold.Client(retries=1)
