"""No search: the settings as given."""

from typing import ClassVar

from llamaduo.component import Component


class NoSearch(Component):
    """Stands for no search; an experiment that has one is so run without."""

    bare: ClassVar[bool] = True
