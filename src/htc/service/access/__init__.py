"""Who may do what: access keys, their scopes, and the modes in which none are needed.

A route says what it needs, and a middleware has found out who asks:

>>> router = APIRouter(dependencies=[Requires("read")])                       # doctest: +SKIP
>>> @router.post("/predict", dependencies=[Requires("predict")])              # doctest: +SKIP
"""

from htc.service.access.caller import Caller, caller_of
from htc.service.access.gate import Gate
from htc.service.access.keyring import Keyring
from htc.service.access.mode import Mode, access_mode, check_listening, is_loopback
from htc.service.access.requires import Requires, WhatItTakes

__all__ = [
    "Caller",
    "Gate",
    "Keyring",
    "Mode",
    "Requires",
    "WhatItTakes",
    "access_mode",
    "caller_of",
    "check_listening",
    "is_loopback",
]
