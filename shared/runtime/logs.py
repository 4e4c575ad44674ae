"""One JSON line per unit of work, on standard error."""

import logging
import sys

import structlog


def configure_logs(log_format: str = "json") -> None:
    """Send every log line, ours and the libraries', to standard error: as JSON, or readable with `console`."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.RichTracebackFormatter(show_locals=False))
        if log_format == "console"
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.StackInfoRenderer(),
    ]
    if log_format != "console":
        # Without the frames' variables: they hold keys, bodies and items under embargo.
        transformer = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        common.append(structlog.processors.ExceptionRenderer(transformer))
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Asked for at each line: a test runner, or whoever redirects it, may have replaced standard error since.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
