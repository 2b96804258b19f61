"""Advice: what a researcher may do instead of what was refused or withheld (policy-kernel, section 7).

Nothing here decides anything. A rewrite is offered only after the kernel has accepted it like any other query.
"""

from ambergate_policies.advice.coarser import Shown, explained
from ambergate_policies.advice.remarks import remarks
from ambergate_policies.advice.repair import Accepts, advised

__all__ = ["Accepts", "Shown", "advised", "explained", "remarks"]
