"""Reports of validations: HTML in one file with its figures, Markdown, JSON."""

from htc.validation.report.markdown import headline_of
from htc.validation.report.numbers import number, share, with_interval
from htc.validation.report.record import SuiteReport, as_json
from htc.validation.report.writing import write_report

__all__ = ["SuiteReport", "as_json", "headline_of", "number", "share", "with_interval", "write_report"]
