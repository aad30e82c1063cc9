"""pandas, which is an extra: imported when a table is asked for in its form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvsim.errors import PandasMissingError

if TYPE_CHECKING:
    import pandas as pd


def frame(data: object) -> pd.DataFrame:
    """Return a DataFrame of columns by name or of rows.

    Raises
    ------
    PandasMissingError
        If pandas is not installed.

    Examples
    --------
    >>> frame({"a": [1, 2]}).shape
    (2, 1)
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise PandasMissingError("needs pandas: pip install 'kvsim[pandas]'") from error
    return pd.DataFrame(data)  # type: ignore[call-overload, no-any-return]
