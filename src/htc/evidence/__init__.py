"""Evidence packs: everything behind one prediction, in a zip that recomputes itself.

>>> sources = gather(database, find_prediction(database, "06dc4a52"), get_settings())   # doctest: +SKIP
>>> Path("pack.zip").write_bytes(build_pack(sources).to_zip())                         # doctest: +SKIP
>>> verify_pack(Path("pack.zip")).holds                                                # doctest: +SKIP
True
"""

from htc.evidence.pack import Pack, build_pack
from htc.evidence.rendering import worksheet_body
from htc.evidence.sources import Sources, gather
from htc.evidence.verification import Verification, verify_pack
from htc.evidence.worksheet import Worksheet, worksheet_of

__all__ = [
    "Pack",
    "Sources",
    "Verification",
    "Worksheet",
    "build_pack",
    "gather",
    "verify_pack",
    "worksheet_body",
    "worksheet_of",
]
