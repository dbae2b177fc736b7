"""What may be done with a version, by its latest probe: for who gives it traffic."""

from llamaduo.promotion.probed import Passed, is_served, opens, passed, refused

__all__ = ["Passed", "is_served", "opens", "passed", "refused"]
