"""A campaign's report: Markdown for people, CSV for programs, figures for both."""

from htc.jobs.campaign.report.writing import write_report

__all__ = ["write_report"]
